// What a shard writes to the journal and reads from it.
#include <utility>

#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/shard.hpp"
#include "flotilla/saga/shard_waiting.hpp"

namespace flotilla::saga {
namespace {

using Why = input::AppendFailed::Why;

constexpr Duration kReadAgain = std::chrono::seconds(1);

Waiter waiter_of(const Input& input) {
  return std::visit(
      [](const auto& in) -> Waiter {
        if constexpr (requires { in.waiter; }) {
          return in.waiter;
        } else {
          return 0;
        }
      },
      input);
}

}  // namespace

net::Task<> Shard::append(effect::Append append) {
  const SagaId saga = append.saga;
  const bool claims = append.expected == 0 && !append.locks.empty();
  for (;;) {
    journal::Reply<journal::AppendResult> reply;
    SagaBatch built;
    const auto hand_over = [&](bool held) {
      const auto kept = kept_.find(saga);
      built = make_batch(append, kept == kept_.end() ? std::nullopt : kept->second->stream,
                         commons_.topics.of(append.events, seat_.place), held, seat_.place);
      commons_.store.journal().append(std::move(built.batch), reply.send());
    };
    if (!claims) {
      hand_over(false);
    } else if (commons_.locks.claim(saga, append.locks, append.if_held == Locks::IfHeld::reject, hand_over) ==
               SharedLocks::Claimed::refused) {
      const input::AppendFailed failed = co_await refused_by_lock(append);
      --appending_;
      idle_.set();
      feed(failed);
      co_return;
    }
    const journal::AppendResult result = co_await reply;
    if (result) {
      --appending_;
      idle_.set();
      appended(append, built, *result);
      co_return;
    }
    if (const auto* taken = std::get_if<journal::KeyTaken>(&result.error());
        taken != nullptr && taken->scope == kTopicScope) {
      commons_.topics.put(taken->key, taken->holder.stream);
      if (claims) {
        release_locks(saga);  // claimed again, because others may be committed before it now
      }
      continue;
    }
    const input::AppendFailed failed = co_await failure_of(append, result.error());
    --appending_;
    idle_.set();
    if (claims && failed.why == Why::key_taken) {
      release_locks(saga);  // where it may exist yet, reading it decides
    }
    feed(failed);
    co_return;
  }
}

void Shard::appended(const effect::Append& append, const SagaBatch& batch, const journal::Appended& done) {
  std::size_t created = 0;
  if (batch.creates_saga) {
    Kept& kept = keep(append.saga);
    kept.stream = done.created[created++];
    SagaCounters*& counters = counters_[append.name];
    if (counters == nullptr) {
      counters = &commons_.metrics.of(append.name, seat_.index);
    }
    counters->started.add();
    counters->live.add();
    kept.counters = counters;
    kept.live = true;
  }
  for (const std::string& topic : batch.new_topics) {
    commons_.topics.put(topic, done.created[created++]);
  }
  if (append.release_locks) {
    release_locks(append.saga);
  }
  const bool admitted = append.locks.empty() || commons_.locks.holds(append.saga);
  feed(input::Appended{.saga = append.saga,
                       .admitted = admitted,
                       .number = batch.creates_saga ? done.created.front().value() : 0});
}

net::Task<input::AppendFailed> Shard::failure_of(const effect::Append& append,
                                                 const journal::AppendError& error) {
  input::AppendFailed failed{.saga = append.saga, .why = Why::unavailable};
  if (std::holds_alternative<journal::StaleEpoch>(error)) {
    failed.why = Why::stale_epoch;
    co_return failed;
  }
  const auto* const taken = std::get_if<journal::KeyTaken>(&error);
  if (taken != nullptr && taken->scope != kIdScope) {
    const auto holder = co_await commons_.store.id_of(taken->holder.stream);
    if (holder || holder.error().code == Errc::not_found) {
      failed.why = Why::key_taken;
      failed.holder = holder.value_or(SagaId{});
      failed.same_input = taken->holder.hash == append.claim_hash;
      co_return failed;
    }
  }
  log::warning("saga {} ({}): the journal did not take {} records: {}", append.saga.text(), append.name,
               append.records.size(), describe(error));
  co_return failed;
}

// The lock may be that of the saga which the key has started: whoever repeats a start is told of it.
net::Task<input::AppendFailed> Shard::refused_by_lock(const effect::Append& append) {
  if (!append.claim_key.empty()) {
    const std::string scope = key_scope(append.name, append.claim_key);
    const auto holder = co_await commons_.store.journal().find(scope, append.claim_key);
    if (!holder) {
      co_return input::AppendFailed{.saga = append.saga, .why = Why::unavailable};
    }
    const bool open =
        *holder && ((*holder)->expires.value() == 0 || (*holder)->expires.value() > append.time);
    if (open) {
      co_return co_await failure_of(
          append, journal::KeyTaken{.scope = scope, .key = append.claim_key, .holder = **holder});
    }
  }
  co_return input::AppendFailed{.saga = append.saga, .why = Why::locked};
}

void Shard::release_locks(SagaId saga) {
  for (const SagaId next : commons_.locks.release(saga)) {
    commons_.route(next, input::LockGranted{.saga = next});
  }
}

// Reads the saga and hands over what has arrived for it meanwhile. Nobody else reads it at the same time, and
// it is not in memory: so what is read is how it stands.
net::Task<> Shard::fetch(SagaId saga, Duration pause) {
  for (;;) {
    if (pause > Duration::zero()) {
      co_await net::sleep_for(*host_.loop, pause);
    }
    auto loaded = co_await commons_.store.load(saga);
    if (loaded) {
      settle(saga, *std::move(loaded));
      co_return;
    }
    Arriving& arriving = arriving_[saga];
    refuse_arrivals(arriving, loaded.error());
    if (stopped_ || (arriving.inputs.empty() && !arriving.required)) {
      arriving_.erase(saga);
      co_return;
    }
    if (pause == Duration::zero()) {
      log::error("saga {} cannot be read: {}", saga.text(), loaded.error().message);
    }
    pause = kReadAgain;
  }
}

void Shard::refuse_arrivals(Arriving& arriving, const Error& error) {
  std::erase_if(arriving.inputs, [&](const Input& input) {
    const auto asking = asking_.find(waiter_of(input));
    if (asking == asking_.end()) {
      return false;
    }
    asking->second->answer(std::unexpected(
        SagaProblem{.reason = error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
                    .detail = error.message}));
    return true;
  });
}

void Shard::settle(SagaId saga, std::optional<LoadedSaga> loaded) {
  const auto found = arriving_.find(saga);
  std::vector<Input> inputs = std::move(found->second.inputs);
  arriving_.erase(found);
  if (!loaded) {
    forget(saga, nullptr);
    release_locks(saga);  // of one whose first batch failed
    for (const Input& input : inputs) {
      if (const auto asking = asking_.find(waiter_of(input)); asking != asking_.end()) {
        asking->second->answer(std::unexpected(
            SagaProblem{.reason = Reason::not_found, .detail = "there is no saga " + saga.text()}));
      }
    }
    return;
  }
  const auto load = [&] {
    keep(saga).stream = loaded->stream;
    feed(input::Load{.saga = saga,
                     .records = loaded->records,
                     .admitted = commons_.locks.holds(saga),
                     .number = loaded->stream.value()});
  };
  load();
  for (Input& input : inputs) {
    if (engine_.life(saga) == nullptr) {
      load();  // it has ended: it answers one input at a time
    }
    feed(std::move(input));
  }
  if (const Life* life = engine_.life(saga); life != nullptr && life->visiting) {
    feed(input::Timer{.saga = saga});  // lets it go
  }
  if (engine_.life(saga) == nullptr) {
    forget(saga, nullptr);
  }
}

}  // namespace flotilla::saga
