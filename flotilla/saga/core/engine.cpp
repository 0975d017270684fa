#include "flotilla/saga/core/engine.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/render.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;
using What = effect::Reply::What;

template <class T>
Waiter waiter_of(const T& input) {
  if constexpr (requires { input.waiter; }) {
    return input.waiter;
  } else {
    return 0;
  }
}

SagaId addressee(const ChildReport& in) { return in.parent.saga; }
SagaId addressee(const AskParent& in) { return in.parent.saga; }
SagaId addressee(const auto& in) { return in.child; }

}  // namespace

Engine::Engine(const EngineConfig& config, const DefinitionSource& definitions)
    : config_(config), definitions_(definitions), random_(config.seed), next_token_(config.epoch << 32 | 1) {}

const SagaState* Engine::state(SagaId saga) const {
  const auto found = lives_.find(saga);
  if (config_.faults.has(EngineFault::show_before_durable) && found != lives_.end() &&
      found->second.appending) {
    return &found->second.appending->next();
  }
  return found == lives_.end() || found->second.state.phase == Phase::none ? nullptr : &found->second.state;
}

bool Engine::admitted(SagaId saga) const {
  const auto found = lives_.find(saga);
  return found != lives_.end() && found->second.admitted;
}

const Life* Engine::life(SagaId saga) const {
  const auto found = lives_.find(saga);
  return found == lives_.end() ? nullptr : &found->second;
}

void Engine::reply(Waiter waiter, SagaId saga, What what, std::string detail) {
  if (waiter != 0) {
    effects_.emplace_back(
        effect::Reply{.waiter = waiter, .saga = saga, .what = what, .detail = std::move(detail)});
  }
}

void Engine::alert(SagaId saga, effect::Alert::Kind kind, std::string detail) {
  effects_.emplace_back(effect::Alert{.saga = saga, .kind = kind, .detail = std::move(detail)});
}

Effects Engine::step(Input input, Now now) {
  now_ = now;
  effects_.clear();
  if (stopped_) {
    std::visit(
        [&](const auto& in) { reply(waiter_of(in), {}, What::unavailable, "another owner has taken over"); },
        input);
    return std::move(effects_);
  }
  std::visit(
      [&](auto& in) {
        if constexpr (requires { on(in); }) {
          on(in);
        } else if constexpr (requires { in.saga; }) {
          route(in.saga, std::move(input));
        } else {
          route(addressee(in), std::move(input));
        }
      },
      input);
  return std::move(effects_);
}

void Engine::route(SagaId saga, Input&& input) {
  const auto found = lives_.find(saga);
  const Waiter waiter = std::visit([](const auto& in) { return waiter_of(in); }, input);
  if (found == lives_.end() || found->second.state.phase == Phase::none) {
    // Of a saga that is not here (a late answer, a timer of before), or is not durable yet.
    if (found != lives_.end() && found->second.inbox.size() < kMaxInbox) {
      found->second.inbox.push_back(std::move(input));
    } else {
      reply(waiter, saga, What::conflict, "the saga is not here");
    }
    return;
  }
  Life& life = found->second;
  if (life.visiting) {
    take(life, input);
    end(saga);
  } else if (!life.appending) {
    take(life, input);
    if (const auto again = lives_.find(saga); again != lives_.end() && !again->second.appending) {
      progress(again->second);
    }
  } else if (waiter != 0 && life.inbox.size() >= kMaxInbox) {
    reply(waiter, saga, What::overloaded, "too many requests wait for this saga");
  } else {
    life.inbox.push_back(std::move(input));
  }
}

void Engine::take(Life& life, Input& input) {
  std::visit(
      [&](auto& in) {
        if constexpr (requires { handle(life, in); }) {
          handle(life, in);
        }
      },
      input);
}

void Engine::drain(Life& life) {
  while (!life.appending && !life.inbox.empty()) {
    Input next = std::move(life.inbox.front());
    life.inbox.pop_front();
    take(life, next);
  }
}

Plan Engine::plan(const Life& life) const {
  Plan::Context context{.epoch = config_.epoch,
                        .time = wall_ms(),
                        .definitions = &definitions_,
                        .faults = config_.faults,
                        .admitted = life.admitted,
                        .open = {},
                        .unsent = {}};
  for (std::size_t i = 0; i < life.state.steps.size(); ++i) {
    const StepState& step = life.state.steps[i];
    context.unsent[i] = step.at == At::exposed && step.kind == Exposure::Kind::wait;
  }
  for (const Run& run : life.runs) {
    if (run.op == Op::action) {
      const auto* nested = std::get_if<NestedSaga>(&life.state.definition->steps[run.step].action);
      const bool undoes_itself = nested != nullptr && !nested->has_pivot;  // whatever it is doing
      context.open[run.step] = !undoes_itself && (run.is_open() || now_.mono < run.quiet_at);
      context.unsent[run.step] = !run.from_before && !run.on_wire && !run.is_open();
    }
  }
  return {life.state, context};
}

void Engine::commit(Life& life, Plan&& plan) {
  plan.settle();
  if (plan.empty()) {
    return;
  }
  const std::uint64_t before = life.state.seq;
  if (before <= kMaxRecords && plan.next().seq > kMaxRecords && !is_terminal(plan.next().phase)) {
    plan.suspend(SuspendReason::too_long, 0, Op::action, fmt::format("over {} records", kMaxRecords));
  }
  plan.publish();
  if (before <= kWarnRecords && plan.next().seq > kWarnRecords) {
    plan.after.emplace_back(effect::Alert{.saga = plan.next().id,
                                          .kind = effect::Alert::Kind::long_history,
                                          .detail = fmt::format("over {} records", kWarnRecords)});
  }
  life.appending = std::make_unique<Plan>(std::move(plan));
  effects_.emplace_back(life.appending->append());
  if (before == 0 && config_.faults.has(EngineFault::send_before_durable)) {
    life.state = life.appending->next();
    make_runs(life, false);
    for (Run& run : life.runs) {
      progress_run(life, run);
    }
  }
}

void Engine::on(input::Submit& in) {
  SagaId id = SagaId::make(now_.wall, random_);
  while (lives_.contains(id) || shard_of(id, config_.shards) != config_.shard) {
    id = SagaId::make(now_.wall, random_);
  }
  Life life;
  life.state.definition = in.definition;
  life.state.id = id;
  std::string text = json::write(in.input);
  if (text.size() > kMaxPayload) {
    reply(in.waiter, {}, What::invalid,
          fmt::format("the input has {} bytes; at most {}", text.size(), kMaxPayload));
    return;
  }
  SagaState draft = life.state;
  draft.input = in.input;
  auto locks = lock_keys(in.definition->locks, scope_of(draft));
  if (!locks) {
    reply(in.waiter, {}, What::invalid, locks.error().message);
    return;
  }
  life.admitted = locks->empty() || config_.faults.has(EngineFault::forget_locks);
  life.state = SagaState{};
  Plan accepted = plan(life);
  const auto deadline = in.definition->deadline;
  accepted.claim_key = in.key;
  accepted.claim_hash = sha256(text);
  accepted.add(record::Accepted{.id = id,
                                .definition = in.definition->hash.value(),
                                .input = std::move(text),
                                .key = in.key,
                                .parent = in.parent,
                                .locks = *std::move(locks),
                                .deadline = deadline ? wall_ms() + to_millis(*deadline) : 0,
                                .trace = std::move(in.trace),
                                .correlation = std::move(in.correlation)});
  accepted.settle();
  if (accepted.next().suspended && accepted.next().suspension.reason == SuspendReason::cannot_render) {
    reply(in.waiter, {}, What::invalid, accepted.next().suspension.detail);
    return;
  }
  if (in.waiter != 0) {
    accepted.after.emplace_back(effect::Reply{.waiter = in.waiter, .saga = id, .what = What::accepted});
  }
  commit(lives_.emplace(id, std::move(life)).first->second, std::move(accepted));
}

void Engine::on(input::Appended& in) {
  const auto found = lives_.find(in.saga);
  if (found == lives_.end() || !found->second.appending) {
    return;
  }
  Life& life = found->second;
  const std::unique_ptr<Plan> done = std::move(life.appending);
  const bool created = life.state.phase == Phase::none;
  const bool moved =
      created || life.state.phase != done->next().phase || life.state.suspended != done->next().suspended;
  life.state = std::move(done->next());
  if (created) {
    life.admitted = in.admitted || config_.faults.has(EngineFault::forget_locks);
    life.number = in.number;
  }
  std::ranges::move(done->after, std::back_inserter(effects_));
  if (moved) {
    effects_.emplace_back(
        effect::Changed{.saga = in.saga, .phase = life.state.phase, .suspended = life.state.suspended});
  }
  make_runs(life, false);
  announce(life, moved);
  if (is_terminal(life.state.phase)) {
    end(in.saga);
    return;
  }
  drain(life);
  if (!life.appending) {
    progress(life);
  }
}

void Engine::on(input::AppendFailed& in) {
  using Why = input::AppendFailed::Why;
  if (in.why == Why::stale_epoch) {
    for (auto& [id, life] : lives_) {
      if (life.appending) {
        for (const Effect& effect : life.appending->after) {
          if (const auto* waiting = std::get_if<effect::Reply>(&effect)) {
            reply(waiting->waiter, id, What::unavailable, "another owner has taken over");
          }
        }
      }
    }
    lives_.clear();
    stopped_ = true;
    effects_.emplace_back(effect::Stop{});
    return;
  }
  const auto found = lives_.find(in.saga);
  if (found == lives_.end() || !found->second.appending) {
    return;
  }
  if (config_.faults.has(EngineFault::ignore_append_failure) && in.why == Why::unavailable) {
    input::Appended lie{.saga = in.saga, .admitted = found->second.admitted};
    on(lie);
    return;
  }
  Life life = std::move(found->second);
  lives_.erase(found);
  const auto answer = [&](Waiter waiter) {
    switch (in.why) {
      case Why::key_taken:
        if (in.holder.is_none()) {
          reply(waiter, {}, What::conflict,
                "the key started a saga that has ended and is not kept any more; a new one needs a new key");
        } else {
          reply(waiter, in.holder, in.same_input ? What::existing : What::key_reused);
        }
        break;
      case Why::locked:
        reply(waiter, {}, What::locked, "a lock is held by another saga");
        break;
      default:
        reply(waiter, in.saga, What::unavailable, "the journal did not take it");
        break;
    }
  };
  for (const Effect& effect : life.appending->after) {
    if (const auto* waiting = std::get_if<effect::Reply>(&effect)) {
      answer(waiting->waiter);
    }
  }
  if (in.why == Why::key_taken && !in.holder.is_none() && !life.appending->next().parent.is_none()) {
    effects_.emplace_back(effect::Tell{AskChild{.child = in.holder}});
  }
  for (const Input& input : life.inbox) {
    reply(std::visit([](const auto& each) { return waiter_of(each); }, input), in.saga, What::unavailable,
          "the journal did not take what came before");
  }
  if (life.state.phase != Phase::none || in.why == Why::unavailable) {
    effects_.emplace_back(effect::Wake{.saga = in.saga, .at = kNever});
    effects_.emplace_back(effect::Reload{.saga = in.saga});
  } else {
    effects_.emplace_back(effect::Ended{.saga = in.saga});
  }
}

void Engine::on(input::Load& in) {
  if (lives_.contains(in.saga) || in.records.empty()) {
    return;  // loaded meanwhile; or it never came to be
  }
  Life life;
  std::uint64_t seq = 0;
  for (const StoredRecord& stored : in.records) {
    const auto record = decode(stored.type, stored.body);
    const auto folded = record
                            ? apply(life.state, *record,
                                    {.seq = ++seq, .epoch = stored.epoch, .time = stored.time}, definitions_)
                            : Result<>(std::unexpected(record.error()));
    if (!folded) {
      // Not ours to repair: it stays out of memory, and a person is told.
      alert(in.saga, effect::Alert::Kind::failed, folded.error().message);
      return;
    }
  }
  life.admitted = in.admitted || life.state.locks.empty() || config_.faults.has(EngineFault::forget_locks);
  life.number = in.number;
  Life& placed = lives_.emplace(in.saga, std::move(life)).first->second;
  if (config_.faults.has(EngineFault::recount_on_load)) {
    for (const auto& [id, each] : lives_) {
      effects_.emplace_back(effect::Changed{.saga = id, .phase = each.state.phase});
    }
  }
  effects_.emplace_back(
      effect::Changed{.saga = in.saga, .phase = placed.state.phase, .suspended = placed.state.suspended});
  make_runs(placed, true);
  if (is_terminal(placed.state.phase)) {
    placed.visiting = true;
    return;
  }
  announce(placed, true);
  progress(placed);
}

// Brings the runs in line with what is exposed: new ones for new exposures, none for what is settled.
void Engine::make_runs(Life& life, bool loaded) {
  std::erase_if(life.runs, [&](const Run& run) {
    const At at = life.state.steps[run.step].at;
    if (run.op == Op::undo) {
      return at != At::undoing;
    }
    // Of an unknown step: a query or a person may tell; or its undo must wait for what may arrive yet.
    const bool quiet =
        life.state.phase != Phase::compensating || (!run.from_before && run.at != Run::At::closing);
    const bool awaited = life.state.suspended || !quiet;
    return at != At::exposed && !(at == At::unknown && awaited);
  });
  if (loaded && config_.faults.has(EngineFault::lose_exposed_on_load)) {
    return;
  }
  for (std::size_t i = 0; i < life.state.steps.size(); ++i) {
    const StepState& step = life.state.steps[i];
    const auto index = static_cast<StepIndex>(i);
    const bool unknown = step.at == At::unknown && life.state.suspended && life.state.phase == Phase::running;
    // Its undo may wait for what an owner before us has sent.
    const bool closing = loaded && step.at == At::unknown && life.state.phase == Phase::compensating;
    const bool action = (step.at == At::exposed && step.kind != Exposure::Kind::wait) || unknown || closing;
    if ((!action && step.at != At::undoing) || life.find(index, action ? Op::action : Op::undo) != nullptr) {
      continue;
    }
    Run run{.step = index,
            .op = action ? Op::action : Op::undo,
            .from_before = loaded,
            .earlier_unknown = loaded};
    if (unknown) {  // only a status query, or a person, can tell
      run.at = Run::At::inquire;
      run.from_before = run.on_wire = run.earlier_unknown = true;
      if (life.state.definition->steps[i].status) {
        run.due = saturating_add(now_.mono, loaded ? Duration(0) : std::chrono::seconds(60));
      }
    }
    for (const TimerState& timer : life.state.timers) {
      if (timer.step == index && timer.op == run.op && timer.use == TimerUse::retry) {
        run.at = Run::At::backoff;  // until the timer fires
      }
    }
    if (loaded && action && step.kind == Exposure::Kind::request &&
        !life.state.definition->steps[i].barrier) {
      run.quiet_at = saturating_add(now_.mono, timeout_of(life, run) + std::chrono::seconds(1));
    }
    life.runs.push_back(std::move(run));
  }
}

void Engine::end(SagaId saga) {
  const auto found = lives_.find(saga);
  Life life = std::move(found->second);
  lives_.erase(found);
  // What still waits is answered as by an ended saga.
  while (!life.inbox.empty()) {
    Input next = std::move(life.inbox.front());
    life.inbox.pop_front();
    take(life, next);
  }
  effects_.emplace_back(effect::Wake{.saga = saga, .at = kNever});
  effects_.emplace_back(
      effect::Ended{.saga = saga, .last = std::make_shared<const SagaState>(std::move(life.state))});
}

}  // namespace flotilla::saga
