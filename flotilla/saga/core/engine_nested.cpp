// Sagas within sagas. The parent's step is an operation as any other, whose service is another saga; the two
// tell each other what they want, ask again when they hear nothing, and each decides on its own records.
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;

constexpr Duration kAskAgain = std::chrono::seconds(60);

}  // namespace

// Starts the child, or undoes it; both may be told twice.
void Engine::send_child(Life& life, Run& run) {
  const SagaState& state = life.state;
  const Parent parent{.saga = state.id, .step = run.step};
  // Both by the key of the action, under which the child was started.
  std::string key = make_key(config_.keys, {.saga = state.id, .step = run.step, .op = Op::action});
  run.at = Run::At::pending;
  run.on_wire = true;
  run.due = saturating_add(now_.mono, kAskAgain);
  run.open_until = kNever;
  if (run.op == Op::undo || state.phase == Phase::compensating) {  // also one that may run yet
    effects_.emplace_back(effect::Tell{UndoChild{.parent = parent, .child = {}, .key = std::move(key)}});
    return;
  }
  auto input = json::parse(state.steps[run.step].request->body, {.size = 4 * kMaxPayload});
  effects_.emplace_back(effect::Tell{StartChild{.parent = parent,
                                                .key = std::move(key),
                                                .definition = state.steps[run.step].request->target,
                                                .input = input ? *std::move(input) : json::Value(),
                                                .trace = state.trace,
                                                .correlation = state.correlation}});
}

void Engine::handle(Life& life, ChildReport& in) {
  Run* action = life.find(in.parent.step, Op::action);
  Run* undo = life.find(in.parent.step, Op::undo);
  const AnswerHead head{.kind = AnswerHead::Kind::status, .status = 0};
  if (undo != nullptr && undo->at == Run::At::pending) {
    if (in.phase == Phase::compensated || in.phase == Phase::rejected) {
      on_undo(life, *undo, head, {.verdict = Verdict::ok, .row = VerdictRow::outcome_header});
    } else if (in.phase == Phase::completed || in.phase == Phase::failed) {
      on_undo(life, *undo, head, {.verdict = Verdict::refused, .row = VerdictRow::outcome_header});
    }
    return;
  }
  if (action == nullptr || action->at != Run::At::pending) {
    return;
  }
  switch (in.phase) {
    case Phase::held:
    case Phase::completed: {
      std::string body = in.result.is_null() ? std::string() : json::write(in.result);
      action_done(life, *action, 0, body);
      break;
    }
    case Phase::compensated:
    case Phase::rejected:
    case Phase::failed:
      if (in.phase == Phase::failed && life.state.phase != Phase::compensating) {
        // Its residue is a person's business, and so is what to make of it here.
        Plan suspended = plan(life);
        suspended.suspend(SuspendReason::config, in.parent.step, Op::action, "its saga has failed");
        commit(life, std::move(suspended));
      } else {
        action_refused(life, *action, 0, to_string(in.phase));
      }
      break;
    default:
      break;  // it goes on
  }
}

// The parent aborts, and this child's effect is to go with it.
void Engine::handle(Life& life, UndoChild& in) {
  const SagaState& state = life.state;
  if (is_terminal(state.phase) || state.phase == Phase::compensating || state.phase == Phase::committed) {
    report_to_parent(life);
    return;
  }
  if (state.parent != in.parent) {
    return;
  }
  Plan undone = plan(life);
  if (!life.admitted) {
    undone.add(record::Rejected{.cause = Cause::parent, .detail = {}});
  } else if (undone.pivot_is_out()) {
    if (state.suspended) {
      undone.add(record::Resumed{.by = "parent"});
    }
    undone.abort(Cause::parent);
  }
  commit(life, std::move(undone));
}

void Engine::handle(Life& life, ReleaseChild& in) {
  if (life.state.phase != Phase::held || life.state.parent != in.parent) {
    return;
  }
  Plan released = plan(life);
  released.add(record::Completed{});
  commit(life, std::move(released));
}

// A held child asks what becomes of it.
void Engine::handle(Life& life, AskParent& in) {
  const SagaState& state = life.state;
  if (in.parent.step >= state.steps.size() || config_.faults.has(EngineFault::child_left_held)) {
    return;
  }
  const At at = state.steps[in.parent.step].at;
  std::string key = make_key(config_.keys, {.saga = state.id, .step = in.parent.step, .op = Op::action});
  if (at == At::undoing || state.phase == Phase::compensated) {
    effects_.emplace_back(
        effect::Tell{UndoChild{.parent = in.parent, .child = in.child, .key = std::move(key)}});
  } else if (state.phase == Phase::failed ||
             (at == At::done && (state.phase == Phase::committed || state.phase == Phase::completed))) {
    effects_.emplace_back(
        effect::Tell{ReleaseChild{.parent = in.parent, .child = in.child, .key = std::move(key)}});
  }
}

void Engine::handle(Life& life, AskChild& /*in*/) { report_to_parent(life); }

void Engine::report_to_parent(const Life& life) {
  const SagaState& state = life.state;
  if (state.parent.is_none()) {
    return;
  }
  effects_.emplace_back(effect::Tell{ChildReport{.parent = state.parent,
                                                 .child = state.id,
                                                 .phase = state.phase,
                                                 .suspended = state.suspended,
                                                 .result = state.result}});
}

// Once nothing here can be undone any more.
void Engine::release_children(const Life& life) {
  const SagaState& state = life.state;
  if (config_.faults.has(EngineFault::child_left_held)) {
    return;
  }
  for (std::size_t i = 0; i < state.steps.size(); ++i) {
    const auto* nested = std::get_if<NestedSaga>(&state.definition->steps[i].action);
    if (nested == nullptr || nested->has_pivot || state.steps[i].at != At::done) {
      continue;
    }
    const auto step = static_cast<StepIndex>(i);
    effects_.emplace_back(effect::Tell{
        ReleaseChild{.parent = {.saga = state.id, .step = step},
                     .child = {},
                     .key = make_key(config_.keys, {.saga = state.id, .step = step, .op = Op::action})}});
  }
}

// After a record: what others must hear of it.
void Engine::announce(Life& life, bool moved) {
  const Phase phase = life.state.phase;
  if (moved && (phase != Phase::running || life.state.seq < 3)) {
    report_to_parent(life);
  }
  if (phase == Phase::committed || phase == Phase::completed || phase == Phase::failed) {
    release_children(life);
  }
}

void Engine::ask_parent(Life& life) {
  if (life.held_asked <= now_.mono) {
    life.held_asked = saturating_add(now_.mono, kAskAgain);
    effects_.emplace_back(effect::Tell{AskParent{.parent = life.state.parent, .child = life.state.id}});
  }
}

}  // namespace flotilla::saga
