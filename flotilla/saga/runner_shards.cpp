// The runner over a journal of several shards: taking them up as leases come, giving them up as they go.
#include <utility>

#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/runner.hpp"

namespace flotilla::saga {
namespace {

constexpr Duration kReadAgain = std::chrono::milliseconds(500);
// What a shard that is given back may take to end what it has under way.
constexpr Duration kHandOver = std::chrono::seconds(5);

}  // namespace

// On a thread of the journal, as disown().
void Runner::own(std::uint32_t index, std::uint64_t epoch) {
  gained_.fetch_add(1, std::memory_order_relaxed);
  Slot& slot = *slots_[index];
  slot.host.loop->post([this, &slot, epoch] {
    if (slot.tasks != nullptr) {
      slot.epoch = epoch;
      slot.tasks->spawn(take_up(slot, epoch));
    }
  });
}

void Runner::disown(std::uint32_t index, std::uint64_t epoch, std::shared_ptr<void> hold) {
  lost_.fetch_add(1, std::memory_order_relaxed);
  Slot& slot = *slots_[index];
  slot.serving = false;
  slot.host.loop->post([this, &slot, epoch, hold = std::move(hold)]() mutable {
    if (slot.epoch == epoch) {
      slot.epoch = 0;
      slot.serving = false;  // again, if it was just taken up
      if (slot.shard != nullptr) {
        slot.tasks->spawn(give_up(slot, std::move(slot.shard), std::move(hold)));
      }
    }
  });
}

net::Task<> Runner::take_up(Slot& slot, std::uint64_t epoch) {
  while (slot.leaving) {
    co_await slot.left.wait();
  }
  Result<std::vector<Unfinished>> unfinished;
  for (bool told = false;; told = true) {
    if (slot.epoch != epoch) {
      co_return;
    }
    unfinished = co_await commons_.store.unfinished(slot.index);
    if (unfinished) {
      break;
    }
    if (!told) {
      log::error("the sagas of shard {} cannot be taken up yet: {}", slot.index, unfinished.error().message);
    }
    co_await net::sleep_for(*slot.host.loop, kReadAgain);
  }
  if (slot.epoch != epoch) {
    co_return;
  }
  std::vector<SagaId> sagas;
  for (const Unfinished& saga : *unfinished) {
    if (!saga.row.locks.empty()) {
      commons_.locks.restore(saga.row.id, saga.row.locks);
    }
    sagas.push_back(saga.row.id);
  }
  if (!sagas.empty()) {
    log::info("{} sagas of shard {} have not ended and are taken up", sagas.size(), slot.index);
  }
  slot.shard = std::make_unique<Shard>(
      commons_, slot.host, ShardSeat{.index = slot.index, .place = place_of(slot.index), .epoch = epoch});
  slot.serving = true;
  slot.shard->spawn(slot.shard->recover(std::move(sagas)));
}

// Until the lease that is known to be ours ends, answers may still be recorded: what the store does not take
// any more it refuses. A lease that ran out leaves no time.
net::Task<> Runner::give_up(Slot& slot, std::unique_ptr<Shard> shard, std::shared_ptr<void> hold) {
  slot.leaving = true;
  const Instant deadline = std::min(shard->leased_until(), net::monotonic_now() + kHandOver);
  if (net::monotonic_now() < deadline) {
    co_await shard->drain(deadline);
  }
  shard.reset();
  if (slot.index == 0) {
    commons_.locks.clear();
  }
  slot.leaving = false;
  slot.left.set();
  hold.reset();
}

}  // namespace flotilla::saga
