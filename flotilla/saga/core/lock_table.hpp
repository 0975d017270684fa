// Semantic locks: which sagas hold which keys, and who waits.
//
// For: the runner, which claims in the order in which sagas were accepted, and releases after their last
// record. A saga takes all its keys at once: it holds them when it is the first in the queue of each. Since a
// claim joins all queues in one moment, the oldest of any waiting sagas is first everywhere, so there is no
// deadlock and no overtaking. Who holds what follows from the order of claims alone: a table built again from
// the sagas that have not ended, in that order, gives each the answer it had. So grants need no record.
// Ownership: a value. Threads: one owner. Limits: those of the sagas that live.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "flotilla/saga/core/saga_id.hpp"

namespace flotilla::saga {

class LockTable {
 public:
  // Whether the saga holds all its keys now. A second claim of the same saga answers for the first.
  bool claim(SagaId saga, std::span<const std::string> keys);
  // Whether `keys` are all free: what a policy that rejects asks before it claims.
  [[nodiscard]] bool is_free(std::span<const std::string> keys) const;
  // Leaves all queues. The sagas that hold all their keys because of it, in the order of their claims.
  [[nodiscard]] std::vector<SagaId> release(SagaId saga);
  [[nodiscard]] bool holds(SagaId saga) const;
  // Sagas that hold or wait.
  [[nodiscard]] std::size_t size() const noexcept { return keys_of_.size(); }

 private:
  struct Claimed {
    std::vector<std::string> keys;
    std::uint64_t order = 0;
  };
  std::unordered_map<std::string, std::deque<SagaId>> queues_;
  std::unordered_map<SagaId, Claimed> keys_of_;
  std::uint64_t next_order_ = 0;
};

}  // namespace flotilla::saga
