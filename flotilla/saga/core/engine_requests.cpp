// What others want of a saga: locks granted, signals, cancelling.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga {
namespace {

using What = effect::Reply::What;

std::string state_of(const SagaState& state) {
  return fmt::format("the saga is {}{}", state.suspended ? "suspended, " : "", to_string(state.phase));
}

}  // namespace

void Engine::handle(Life& life, input::LockGranted& /*in*/) {
  if (life.admitted) {
    return;
  }
  life.admitted = true;
  Plan admitted = plan(life);  // signals may have come before
  commit(life, std::move(admitted));
}

void Engine::handle(Life& life, input::Signal& in) {
  const SagaState& state = life.state;
  if (std::ranges::count(state.signals_seen, in.id) != 0 && !config_.faults.has(EngineFault::signal_twice)) {
    reply(in.waiter, state.id,
          config_.faults.has(EngineFault::forget_duplicates) ? What::accepted : What::duplicate);
    return;
  }
  if (is_terminal(state.phase) || state.phase == Phase::compensating) {
    reply(in.waiter, state.id, What::conflict, state_of(state));
    return;
  }
  if (state.signals.size() >= kMaxBufferedSignals) {
    reply(in.waiter, state.id, What::overloaded,
          fmt::format("{} signals wait for steps", kMaxBufferedSignals));
    return;
  }
  std::string payload = json::write(in.payload);
  if (payload.size() > kMaxPayload) {
    reply(in.waiter, state.id, What::invalid,
          fmt::format("a payload of {} bytes; at most {}", payload.size(), kMaxPayload));
    return;
  }
  if (config_.faults.has(EngineFault::signal_twice)) {
    in.id += std::to_string(state.seq);
  }
  Plan taken = plan(life);
  taken.add(record::Signal{.id = in.id, .name = in.name, .payload = std::move(payload)});
  if (config_.faults.has(EngineFault::answer_before_durable)) {
    reply(in.waiter, state.id, What::accepted);
  } else if (in.waiter != 0) {
    taken.after.emplace_back(effect::Reply{.waiter = in.waiter, .saga = state.id, .what = What::accepted});
  }
  commit(life, std::move(taken));
}

void Engine::handle(Life& life, input::Cancel& in) {
  const SagaState& state = life.state;
  const auto accept = [&](Plan& plan, What what) {
    if (config_.faults.has(EngineFault::refuse_and_do)) {
      what = What::conflict;
    }
    if (config_.faults.has(EngineFault::answer_before_durable)) {
      reply(in.waiter, state.id, what);
    } else if (in.waiter != 0) {
      plan.after.emplace_back(effect::Reply{.waiter = in.waiter, .saga = state.id, .what = what});
    }
  };
  if (state.phase == Phase::compensating) {
    reply(in.waiter, state.id, What::going_on);
    return;
  }
  if (state.phase == Phase::committed || is_terminal(state.phase) || state.phase == Phase::held) {
    reply(in.waiter, state.id, What::conflict, state_of(state));
    return;
  }
  Plan cancelled = plan(life);
  if (!life.admitted) {
    cancelled.add(record::Rejected{.cause = Cause::cancel, .detail = in.why});
    accept(cancelled, What::accepted);
  } else if (cancelled.pivot_is_out()) {
    if (state.suspended) {
      cancelled.add(record::Resumed{.by = in.who});
    }
    cancelled.abort(Cause::cancel, 0, 0, in.why);
    accept(cancelled, What::accepted);
  } else if (state.cancel_requested) {
    reply(in.waiter, state.id, What::pivot_decides);
    return;
  } else {
    cancelled.add(record::CancelRequested{.who = in.who, .why = in.why});
    accept(cancelled, What::pivot_decides);
  }
  commit(life, std::move(cancelled));
}

}  // namespace flotilla::saga
