#include "flotilla/journal/lease_table.hpp"

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal {

LeaseTable::LeaseTable(std::uint32_t shards, GiveBack give_back)
    : shards_(shards), give_back_(std::move(give_back)) {
  FLOTILLA_ASSERT(shards >= 1 && shards <= kMaxShards);
}

// The end is written after the epoch and read before it: who sees a lease's end sees its epoch, or that of a
// later one, which ends later still.
std::optional<Lease> LeaseTable::lease(std::uint32_t shard) const noexcept {
  if (shard >= shards_) {
    return std::nullopt;
  }
  const Instant until{Duration(slots_[shard].until.load(std::memory_order_acquire))};
  if (until == Instant() || (until != kNever && net::monotonic_now() >= until)) {
    return std::nullopt;
  }
  return Lease{shard, slots_[shard].epoch.load(std::memory_order_acquire), until};
}

bool LeaseTable::is_held(std::uint32_t shard) const noexcept {
  return slots_[shard].until.load(std::memory_order_acquire) != 0;
}

std::uint64_t LeaseTable::epoch(std::uint32_t shard) const noexcept {
  return slots_[shard].epoch.load(std::memory_order_acquire);
}

void LeaseTable::watch(Watcher watcher) {
  const std::lock_guard lock(watching_);
  watcher_ = std::move(watcher);
  for (std::uint32_t shard = 0; shard < shards_ && watcher_; ++shard) {
    if (is_held(shard)) {
      watcher_({.shard = shard, .epoch = epoch(shard), .gained = true, .hold = {}});
    }
  }
}

Result<std::string> LeaseTable::owner_address(std::uint32_t shard) const {
  const std::lock_guard lock(mutex_);
  if (shard >= owners_.size() || owners_[shard].empty()) {
    return fail(Errc::unavailable, fmt::format("no process is known to own shard {} of the journal", shard));
  }
  return owners_[shard];
}

void LeaseTable::release_all(Duration patience) {
  if (give_back_) {
    give_back_(patience);
    return;
  }
  for (std::uint32_t shard = 0; shard < shards_; ++shard) {
    lose(shard);
  }
}

void LeaseTable::gain(const Lease& lease) {
  const std::lock_guard lock(watching_);
  Slot& slot = slots_[lease.shard];
  slot.epoch.store(lease.epoch, std::memory_order_release);
  slot.until.store(lease.until.time_since_epoch().count(), std::memory_order_release);
  if (watcher_) {
    watcher_({.shard = lease.shard, .epoch = lease.epoch, .gained = true, .hold = {}});
  }
}

void LeaseTable::renew(std::uint32_t shard, Instant until) noexcept {
  slots_[shard].until.store(until.time_since_epoch().count(), std::memory_order_release);
}

std::weak_ptr<void> LeaseTable::lose(std::uint32_t shard) {
  const std::lock_guard lock(watching_);
  if (slots_[shard].until.exchange(0, std::memory_order_acq_rel) == 0 || !watcher_) {
    return {};
  }
  auto hold = std::make_shared<char>();
  const std::weak_ptr<void> held = hold;
  watcher_({.shard = shard, .epoch = epoch(shard), .gained = false, .hold = std::move(hold)});
  return held;
}

void LeaseTable::set_owners(std::vector<std::string> addresses) {
  const std::lock_guard lock(mutex_);
  owners_ = std::move(addresses);
}

}  // namespace flotilla::journal
