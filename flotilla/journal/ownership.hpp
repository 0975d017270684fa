// Which shards of a journal this process may write, and for how long it may believe so.
//
// For: whoever decides for shards (the saga runner): it takes a shard's work up when the shard is gained,
// sends
//   an action only while the lease outlasts it, and stops at once when the shard is lost. What a loser still
//   appends is refused (StaleEpoch), whatever it believes.
// A store of one owner answers with a lease for ever. In a shared one leases end unless they are renewed, and
//   move between the processes that have it open.
// Ownership: part of a Journal. Threads: lease() and owner_address() from any; a
//   watcher is called on a thread of the journal, one call at a time, and must not block.
// Limits: kMaxShards.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/journal/core/lease_plan.hpp"

namespace flotilla::journal {

struct LeaseChange {
  std::uint32_t shard = 0;
  std::uint64_t epoch = 0;  // of the lease that was gained or lost
  bool gained = false;
  // Lost: lease() answers nothing already. While anybody holds on to this, the shard is not given to another
  // process by us; the lease's own end does not wait for it. Let go of it when the shard's work has stopped.
  std::shared_ptr<void> hold;
};

class Ownership {
 public:
  using Watcher = std::move_only_function<void(const LeaseChange&)>;

  Ownership() = default;
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;
  virtual ~Ownership() = default;

  // The lease, if it is held and has not ended by now. Its end is counted from before the request that got it
  // was sent, so it is never later than the store's own.
  [[nodiscard]] virtual std::optional<Lease> lease(std::uint32_t shard) const noexcept = 0;

  // From now on `watcher` learns what is gained and lost, beginning with what is held: these calls come
  // before watch() returns. One at a time; an empty one ends it, and is not called any more once that
  // returns.
  virtual void watch(Watcher watcher) = 0;

  // Where the saga API of the shard's owner is, as of the last look at the store (a moment ago). Errors:
  // unavailable (nobody owns it now, or it is not known where).
  [[nodiscard]] virtual Result<std::string> owner_address(std::uint32_t shard) const = 0;

  // Gives back all shards, for shutting down: the watcher is told of each, and no more are taken. Waits until
  // it is done, at most `patience`; what is not given back by then ends by itself.
  virtual void release_all(Duration patience) = 0;
};

}  // namespace flotilla::journal
