// People's verbs: the ways out of a suspension, and into one.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;
using What = effect::Reply::What;

bool same_steps(const SagaState& state, const Definition& next) {
  const Definition& now = *state.definition;
  if (next.name != now.name || next.pivot.has_value() != now.pivot.has_value()) {
    return false;
  }
  for (std::size_t i = 0; i < state.steps.size(); ++i) {
    if (state.steps[i].at == At::idle) {
      continue;  // not recorded yet
    }
    if (i >= next.steps.size() || next.steps[i].name != now.steps[i].name ||
        next.steps[i].after != now.steps[i].after || next.steps[i].kind != now.steps[i].kind ||
        next.steps[i].action.index() != now.steps[i].action.index()) {
      return false;
    }
  }
  return next.steps.size() >= state.steps.size();
}

bool action_is_open(At at) { return at == At::exposed || at == At::unknown || at == At::refused; }
bool undo_is_open(At at) { return at == At::undoing || at == At::blocked; }

}  // namespace

// Why the verb is not legal here; empty if it is.
std::string Engine::refuse_verb(const Life& life, const input::Operate& in, StepIndex step) const {
  const SagaState& state = life.state;
  if (is_terminal(state.phase) || state.phase == Phase::held) {
    return fmt::format("the saga is {}", to_string(state.phase));
  }
  if (!life.admitted) {
    return "the saga waits for its locks: it can only be cancelled";
  }
  if (in.expected_seq && *in.expected_seq != state.seq) {
    return fmt::format("the saga is at record {}, not {}: look again", state.seq, *in.expected_seq);
  }
  if (step >= state.steps.size()) {
    return "there is no such step";
  }
  const At at = state.steps[step].at;
  if (in.verb == Verb::suspend) {
    return state.suspended ? "it is suspended already" : "";
  }
  if (!state.suspended) {
    return "it is not suspended; suspend it first";
  }
  switch (in.verb) {
    case Verb::set_result:
      return undo_is_open(at) ||
                     (action_is_open(at) && (at != At::refused || state.phase == Phase::committed))
                 ? ""
                 : fmt::format("the step is {}", to_string(at));
    case Verb::retry:
      return undo_is_open(at) || at == At::exposed || at == At::unknown ||
                     (at == At::refused && state.phase == Phase::committed)
                 ? ""
                 : fmt::format("the step is {}", to_string(at));
    case Verb::forgive:
      return undo_is_open(at) ? "" : fmt::format("the step is {}", to_string(at));
    case Verb::abort: {
      const auto pivot = state.definition->pivot;
      if (pivot && state.steps[*pivot].at == At::exposed && plan(life).context().open[*pivot]) {
        return "the pivot's request is out, and decides";
      }
      return state.phase == Phase::running ? "" : fmt::format("the saga is {}", to_string(state.phase));
    }
    case Verb::migrate:
      return in.definition != nullptr && same_steps(state, *in.definition)
                 ? ""
                 : "a recorded step does not exist unchanged in that definition";
    case Verb::suspend:
    case Verb::resume:
    case Verb::fail:
      return "";
  }
  return "";
}

void Engine::handle(Life& life, input::Operate& in) {
  const SagaState& state = life.state;
  const StepIndex step = in.step.value_or(state.suspension.step);
  if (std::string refusal = refuse_verb(life, in, step); !refusal.empty()) {
    reply(in.waiter, state.id, What::conflict, std::move(refusal));
    return;
  }
  const Op op = undo_is_open(state.steps[step].at) ? Op::undo : Op::action;
  if (in.verb == Verb::set_result && op == Op::action && !in.has_payload) {
    reply(in.waiter, state.id, What::invalid, "\"result\" is missing: the step's output, as JSON");
    return;
  }
  std::string payload;
  if (in.verb == Verb::set_result) {
    payload = json::write(in.payload);
  } else if (in.verb == Verb::migrate) {
    payload = in.definition->hash.value();
  }
  Plan operated = plan(life);
  // Resuming means trying again what made it stop.
  const bool again = in.verb == Verb::retry ||
                     (in.verb == Verb::resume && state.suspension.reason != SuspendReason::operator_);
  operated.add(record::Operator{.verb = again ? Verb::retry : in.verb,
                                .step = step,
                                .op = op,
                                .who = in.who,
                                .why = in.why,
                                .payload = std::move(payload)});
  if (Run* run = life.find(step, op); run != nullptr && again && !run->is_open()) {
    run->at = Run::At::ready;
    run->attempts = 0;
    run->inquiries = 0;
    run->first = kNever;
    run->due = kNever;
  }
  if (in.verb == Verb::set_result && op == Op::action) {
    operated.close(step);
  }
  switch (in.verb) {
    case Verb::suspend:
      operated.suspend(SuspendReason::operator_, step, op, in.why);
      break;
    case Verb::fail: {
      StepSet residue;
      for (std::size_t i = 0; i < state.steps.size(); ++i) {
        residue[i] = needs_undo(state, static_cast<StepIndex>(i));
      }
      operated.add(record::Failed{.residue = residue.to_ullong()});
      operated.after.emplace_back(
          effect::Alert{.saga = state.id, .kind = effect::Alert::Kind::failed, .detail = in.why});
      break;
    }
    case Verb::abort:
      operated.add(record::Resumed{.by = in.who});
      operated.abort(Cause::operator_, step, 0, in.why);
      break;
    case Verb::migrate:
      break;  // and resume when it is to go on
    default:
      operated.add(record::Resumed{.by = in.who});
      break;
  }
  if (in.waiter != 0) {
    operated.after.emplace_back(effect::Reply{.waiter = in.waiter, .saga = state.id, .what = What::accepted});
  }
  commit(life, std::move(operated));
}

}  // namespace flotilla::saga
