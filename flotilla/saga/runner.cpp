#include "flotilla/saga/runner.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"

namespace flotilla::saga {

Result<std::unique_ptr<Runner>> Runner::open(journal::Journal& journal, RunnerOptions options) {
  std::unique_ptr<Runner> runner(new Runner(journal));
  ShardCommons& commons = runner->commons_;
  const auto keys = commons.store.keys();
  if (!keys) {
    return std::unexpected(keys.error());
  }
  commons.keys = *keys;
  if (auto kept = commons.store.keep(options.definitions); !kept) {
    return std::unexpected(kept.error());
  }
  commons.shelf.replace(options.definitions);
  if (!runner->is_shared()) {
    auto unfinished = commons.store.unfinished();
    if (!unfinished) {
      return std::unexpected(unfinished.error());
    }
    for (const Unfinished& saga : *unfinished) {
      if (!saga.row.locks.empty()) {
        commons.locks.restore(saga.row.id, saga.row.locks);
      }
    }
    if (!unfinished->empty()) {
      log::info("{} sagas have not ended and will be taken up", unfinished->size());
    }
    runner->unfinished_ = *std::move(unfinished);
  }
  runner->own_address_ = std::move(options.own_address);
  runner->recovery_rate_ = std::max(options.recovery_rate, 1U);
  commons.seed = options.seed;
  commons.callback_base = std::move(options.callback_base);
  commons.route = [self = runner.get()](SagaId saga, Input input) { self->deliver(saga, std::move(input)); };
  return runner;
}

Runner::~Runner() { stop(); }

void Runner::run_on(net::Loop& loop, std::move_only_function<void()> function) {
  std::promise<void> done;
  loop.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

void Runner::start(std::vector<ShardHost> hosts) {
  FLOTILLA_ASSERT(slots_.empty() && !hosts.empty());
  const std::uint32_t shards = commons_.store.journal().shards();
  commons_.shards = is_shared() ? shards : static_cast<std::uint32_t>(hosts.size());
  commons_.recovery_gap = Duration(std::chrono::seconds(1)) * commons_.shards / recovery_rate_;
  for (std::uint32_t i = 0; i < commons_.shards; ++i) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
    slot.index = i;
    slot.host = hosts[i % hosts.size()];
    run_on(*slot.host.loop, [&slot] { slot.tasks = std::make_unique<net::Scope>(); });
  }
  if (is_shared()) {
    commons_.store.journal().ownership().watch([this](const journal::LeaseChange& change) {
      change.gained ? own(change.shard, change.epoch) : disown(change.shard, change.epoch, change.hold);
    });
    return;
  }
  std::vector<std::vector<SagaId>> to_recover(hosts.size());
  for (const Unfinished& saga : std::exchange(unfinished_, {})) {
    to_recover[shard_of(saga.row.id, commons_.shards)].push_back(saga.row.id);
  }
  for (const auto& slot : slots_) {
    run_on(*slot->host.loop, [&] {
      const std::uint64_t epoch = commons_.store.journal().epoch();
      slot->shard = std::make_unique<Shard>(commons_, slot->host,
                                            ShardSeat{.index = slot->index, .place = {}, .epoch = epoch});
      slot->epoch = epoch;
      slot->serving = true;
    });
  }
  // Only when all are there: what one takes up may concern another.
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[i];
    slot.host.loop->post([&slot, sagas = std::move(to_recover[i])]() mutable {
      if (slot.shard != nullptr) {
        slot.shard->spawn(slot.shard->recover(std::move(sagas)));
      }
    });
  }
}

void Runner::stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  if (is_shared()) {
    if (releasing_.joinable()) {
      releasing_.join();
    }
    commons_.store.journal().ownership().watch({});
  }
  for (const auto& slot : slots_) {
    slot->serving = false;
    run_on(*slot->host.loop, [&] {
      slot->tasks.reset();
      slot->shard.reset();
    });
  }
  // The slots stay: requests find them empty.
}

Result<> Runner::replace_definitions(const std::vector<DefinitionPtr>& definitions) {
  const auto counts = commons_.store.counts();
  if (!counts) {
    return std::unexpected(counts.error());
  }
  for (const std::string& name : commons_.shelf.names()) {
    if (std::ranges::any_of(definitions, [&](const auto& each) { return each->name == name; })) {
      continue;
    }
    std::uint64_t open = 0;
    for (const journal::StateCount& count : *counts) {
      open += count.name == name ? count.count : 0;
    }
    if (open > 0) {
      return fail(Errc::conflict,
                  fmt::format("saga '{}' is gone from the file, but {} of it have not ended: keep it until "
                              "they have (`flotilla sagas list --name {}`), or end them",
                              name, open, name));
    }
  }
  if (auto kept = commons_.store.keep(definitions); !kept) {
    return kept;
  }
  commons_.shelf.replace(definitions);
  return {};
}

void Runner::drain(Duration grace, std::function<void()> done) {
  if (slots_.empty()) {
    done();
    return;
  }
  if (is_shared()) {
    // Each shard ends what it has under way as it is given back.
    releasing_ = std::jthread([this, grace, done = std::move(done)] {
      commons_.store.journal().ownership().release_all(grace);
      slots_[0]->host.loop->post(done);
    });
    return;
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(slots_.size());
  const auto finish = std::make_shared<std::function<void()>>(std::move(done));
  for (const auto& slot : slots_) {
    slot->host.loop->post([slot = slot.get(), grace, left, finish] {
      const auto one = [](Shard& shard, Instant deadline, auto last, auto call) -> net::Task<> {
        co_await shard.drain(deadline);
        if (last->fetch_sub(1) == 1) {
          (*call)();
        }
      };
      if (slot->shard != nullptr) {
        slot->shard->spawn(one(*slot->shard, slot->host.loop->now() + grace, left, finish));
      } else if (left->fetch_sub(1) == 1) {
        (*finish)();
      }
    });
  }
}

void Runner::collect(telemetry::MetricsPage& page) const {
  commons_.metrics.collect(page);
  constexpr telemetry::Family kLocks{"flotilla_saga_lock_holders", "Sagas that hold locks or wait for them."};
  page.gauge(kLocks, {}, static_cast<double>(commons_.locks.size()));
  if (!is_shared()) {
    return;
  }
  constexpr telemetry::Family kOwned{"flotilla_journal_shards_owned",
                                     "Shards of the shared journal that this process has the lease of."};
  constexpr telemetry::Family kTaken{"flotilla_journal_takeovers_total", "Shards that this process took."};
  constexpr telemetry::Family kLost{"flotilla_journal_lease_losses_total",
                                    "Shards that this process lost or gave back."};
  std::size_t owned = 0;
  for (std::uint32_t shard = 0; shard < commons_.store.journal().shards(); ++shard) {
    owned += commons_.store.journal().ownership().lease(shard) ? 1 : 0;
  }
  page.gauge(kOwned, {}, static_cast<double>(owned));
  page.counter(kTaken, {}, gained_.load(std::memory_order_relaxed));
  page.counter(kLost, {}, lost_.load(std::memory_order_relaxed));
}

Place Runner::place_of(std::uint32_t index) const noexcept {
  const std::uint32_t shards = commons_.store.journal().shards();
  return {.shard = shards == 1 ? 0 : index, .shards = shards};
}

void Runner::deliver(SagaId saga, Input input) {
  Slot& slot = slot_of(saga);
  slot.host.loop->post([&slot, saga, input = std::move(input)]() mutable {
    if (slot.shard != nullptr) {
      slot.shard->deliver(saga, std::move(input));
    }
  });
}

Runner::Slot& Runner::slot_here() {
  const net::Loop* const here = net::Loop::current();
  const auto own = std::ranges::find(slots_, here, [](const auto& slot) { return slot->host.loop; });
  if (own != slots_.end()) {
    return **own;
  }
  return *slots_[next_slot_.fetch_add(1, std::memory_order_relaxed) % slots_.size()];
}

Runner::Slot* Runner::any_slot() {
  const net::Loop* const here = net::Loop::current();
  // In turn, so that the shards of a worker get alike many.
  const std::size_t first = next_slot_.fetch_add(1, std::memory_order_relaxed) % slots_.size();
  Slot* other = nullptr;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = *slots_[(first + i) % slots_.size()];
    if (!slot.serving.load(std::memory_order_acquire)) {
      continue;
    }
    if (slot.host.loop == here) {
      return &slot;
    }
    other = other == nullptr ? &slot : other;
  }
  return other;
}

}  // namespace flotilla::saga
