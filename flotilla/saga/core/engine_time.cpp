// What happens because time has passed.
#include <algorithm>

#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;

}  // namespace

// Due times are wall-clock; waits are monotonic. A clock that jumps back delays, and never fires twice.
Instant Engine::instant_of(Millis64 due) const {
  return saturating_add(now_.mono, std::chrono::milliseconds(std::max<Millis64>(due - wall_ms(), 0)));
}

void Engine::handle(Life& /*life*/, input::Timer& /*in*/) {
  // progress() looks at the clock after every input.
}

// Recorded timers: fired durably before they are acted on.
bool Engine::fire_due(Life& life) {
  if (!life.admitted || life.state.suspended) {
    return false;
  }
  const Millis64 early = config_.faults.has(EngineFault::early_timer) ? 1000 : 0;
  const auto due = std::ranges::find_if(
      life.state.timers, [&](const TimerState& timer) { return timer.due <= wall_ms() + early; });
  if (due == life.state.timers.end()) {
    return false;
  }
  const TimerState timer = *due;
  Plan fired = plan(life);
  fired.add(record::TimerFired{.id = timer.id});
  if (timer.use == TimerUse::wait) {
    const auto* signal = std::get_if<SignalWait>(&life.state.definition->steps[timer.step].action);
    if (signal != nullptr && signal->abort_when_over && life.state.phase == Phase::running) {
      fired.add(record::StepRefused{
          .step = timer.step, .status = 0, .detail = "the signal did not come in time", .attempts = 0});
    } else {
      fired.add(record::StepDone{.step = timer.step, .status = 0, .output = {}, .attempts = 0, .signal = {}});
    }
  } else if (Run* run = life.find(timer.step, timer.op)) {
    run->due = now_.mono;  // it may go as soon as the record is durable
  }
  commit(life, std::move(fired));
  return true;
}

// The saga's deadline, and that of waiting for locks.
bool Engine::pass_deadline(Life& life) {
  const SagaState& state = life.state;
  if (state.suspended || life.deadline_alerted) {
    return false;
  }
  const bool over = state.deadline != 0 && state.deadline <= wall_ms();
  const Locks& locks = state.definition->locks;
  const bool waited = !life.admitted && locks.if_held == Locks::IfHeld::wait &&
                      state.created + to_millis(locks.wait) <= wall_ms();
  if (!over && !waited) {
    return false;
  }
  if (!life.admitted) {
    Plan rejected = plan(life);
    rejected.add(record::Rejected{.cause = Cause::deadline, .detail = "its locks did not come free in time"});
    commit(life, std::move(rejected));
    return true;
  }
  if (state.phase == Phase::compensating || state.phase == Phase::held) {
    return false;
  }
  Plan aborted = plan(life);
  if (state.phase == Phase::running && aborted.pivot_is_out()) {
    aborted.abort(Cause::deadline);
    commit(life, std::move(aborted));
    return true;
  }
  life.deadline_alerted = true;  // past the pivot there is only forward
  alert(state.id, effect::Alert::Kind::deadline, "the deadline has passed after the pivot was sent");
  return false;
}

void Engine::set_wake(Life& life) {
  const SagaState& state = life.state;
  Instant at = kNever;
  for (const Run& run : life.runs) {
    const bool asleep = state.suspended && run.at == Run::At::backoff;
    if (!asleep && life.admitted) {
      at = std::min({at, run.due, run.at == Run::At::pending ? run.open_until : kNever});
    }
  }
  if (!state.suspended) {
    if (life.admitted) {
      for (const TimerState& timer : state.timers) {
        at = std::min(at, instant_of(timer.due));
      }
    }
    const bool can_pass = state.phase == Phase::running || state.phase == Phase::committed;
    if (state.deadline != 0 && can_pass && !life.deadline_alerted) {
      at = std::min(at, instant_of(state.deadline));
    }
    const Locks& locks = state.definition->locks;
    if (!life.admitted && locks.if_held == Locks::IfHeld::wait) {
      at = std::min(at, instant_of(state.created + to_millis(locks.wait)));
    }
  }
  if (state.phase == Phase::held) {
    at = life.held_asked;
  }
  if (at != life.wake) {
    life.wake = at;
    effects_.emplace_back(effect::Wake{.saga = state.id, .at = at});
  }
}

}  // namespace flotilla::saga
