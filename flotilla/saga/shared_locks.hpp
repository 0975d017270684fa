// The one lock table of the process, for sagas on all workers. In a journal of several shards all sagas with
// locks live on one shard (runner.hpp), and the table is that of its owner.
//
// For: shard.hpp. Who holds a lock must follow from the order in which sagas were accepted, because that is
// what a restart finds. The journal commits in the order in which batches are handed to it, so a saga's claim
// and the handing over of its first batch are one step here.
// Ownership: owned by the runner. Threads: any. Limits: those of LockTable.
#pragma once

#include <concepts>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "flotilla/saga/core/lock_table.hpp"

namespace flotilla::saga {

class SharedLocks {
 public:
  enum class Claimed : std::uint8_t { held, waiting, refused };

  // Claims, then hands over: `hand_over(bool held)` must not come back here. With `only_free` nothing is
  // claimed or handed over unless all keys are free.
  template <std::invocable<bool> HandOver>
  Claimed claim(SagaId saga, std::span<const std::string> keys, bool only_free, HandOver hand_over) {
    const std::lock_guard lock(mutex_);
    if (only_free && !table_.is_free(keys)) {
      return Claimed::refused;
    }
    const bool held = table_.claim(saga, keys);
    hand_over(held);
    return held ? Claimed::held : Claimed::waiting;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    table_ = LockTable();
  }
  // For the sagas that a start finds, in the order of their acceptance.
  void restore(SagaId saga, std::span<const std::string> keys) {
    const std::lock_guard lock(mutex_);
    table_.claim(saga, keys);
  }
  [[nodiscard]] bool holds(SagaId saga) const {
    const std::lock_guard lock(mutex_);
    return table_.holds(saga);
  }
  // The sagas that hold all their keys because of it.
  [[nodiscard]] std::vector<SagaId> release(SagaId saga) {
    const std::lock_guard lock(mutex_);
    return table_.release(saga);
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return table_.size();
  }

 private:
  mutable std::mutex mutex_;
  LockTable table_;
};

}  // namespace flotilla::saga
