#include "flotilla/saga/core/plan.hpp"

#include <algorithm>

#include "flotilla/base/assert.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/render.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;

}  // namespace

void Plan::add(RecordBody body) {
  records_.push_back({.body = std::move(body), .exposed = {}});
  const auto folded =
      apply(next_, records_.back(), {.seq = next_.seq + 1, .epoch = context_.epoch, .time = context_.time},
            *context_.definitions);
  FLOTILLA_ASSERT(folded.has_value());
}

void Plan::expose(Exposure exposure) {
  // The fold of a record with its exposures is the fold of both: so a record without a body of its own is not
  // needed, and the exposure joins the newest.
  Record& record = records_.back();
  record.exposed.push_back(std::move(exposure));
  const auto folded = apply_exposure(next_, record.exposed.back());
  FLOTILLA_ASSERT(folded.has_value());
}

void Plan::abort(Cause cause, StepIndex step, std::uint16_t status, std::string detail) {
  const StepSet unsent = context_.unsent & next_.at(At::exposed);
  add(record::Aborting{.cause = cause,
                       .step = step,
                       .status = status,
                       .detail = std::move(detail),
                       .unsent = unsent.to_ullong()});
}

void Plan::suspend(SuspendReason reason, StepIndex step, Op op, std::string detail) {
  if (next_.suspended) {
    return;
  }
  after.emplace_back(
      effect::Alert{.saga = next_.id, .kind = effect::Alert::Kind::suspended, .detail = detail});
  add(record::Suspended{.reason = reason, .step = step, .op = op, .detail = std::move(detail)});
}

bool Plan::pivot_is_out() const noexcept {
  const auto pivot = next_.definition->pivot;
  if (!pivot || context_.faults.has(EngineFault::abort_races_pivot)) {
    return true;
  }
  const At at = next_.steps[*pivot].at;
  return (at != At::exposed && at != At::unknown) || (at == At::exposed && context_.unsent[*pivot]);
}

void Plan::settle() {
  if (records_.empty() && !settle_waits()) {
    return;
  }
  bool changed = true;
  while (changed && !is_terminal(next_.phase) && !next_.suspended) {
    switch (next_.phase) {
      case Phase::running:
      case Phase::committed:
        changed = settle_forward();
        break;
      case Phase::compensating:
        changed = settle_undo();
        break;
      default:
        changed = false;
        break;
    }
  }
}

bool Plan::settle_forward() {
  return abort_by_failure() || settle_waits() || expose_ready() || finish_forward();
}

// A step has failed: abort now, or, where the definition says so, once open branches have ended.
bool Plan::abort_by_failure() {
  if (next_.phase == Phase::committed) {
    return suspend_by_failure();
  }
  const StepSet failed = next_.at(At::refused, At::unknown);
  if (failed.none()) {
    return false;
  }
  if (suspend_by_failure()) {
    return true;
  }
  if (next_.definition->drain_on_failure && (next_.at(At::exposed) & ~context_.unsent).any()) {
    return false;
  }
  std::size_t step = 0;
  while (!failed[step]) {
    ++step;
  }
  const StepState& state = next_.steps[step];
  abort(Cause::step, static_cast<StepIndex>(step), state.status, std::string(to_string(state.at)));
  return true;
}

// Failures that must not abort: of a step after the pivot, or where the definition says to ask a person.
bool Plan::suspend_by_failure() {
  for (std::size_t i = 0; i < next_.steps.size(); ++i) {
    const Step& step = next_.definition->steps[i];
    const auto index = static_cast<StepIndex>(i);
    if (next_.steps[i].at == At::refused && next_.phase == Phase::committed) {
      suspend(SuspendReason::step_refused, index, Op::action,
              "a step after the pivot may not refuse, and did");
      return true;
    }
    if (next_.steps[i].at == At::unknown && !step.abort_when_unknown) {
      suspend(step.kind == StepKind::pivot ? SuspendReason::pivot_unknown : SuspendReason::step_unknown,
              index, Op::action, "nobody knows whether " + step.name + " took effect");
      return true;
    }
  }
  return false;
}

bool Plan::settle_waits() {
  if (!context_.admitted) {
    return false;
  }
  for (std::size_t i = 0; i < next_.steps.size(); ++i) {
    const auto* wait = std::get_if<SignalWait>(&next_.definition->steps[i].action);
    if (wait == nullptr || next_.steps[i].at != At::exposed) {
      continue;
    }
    const auto found = std::ranges::find(next_.signals, wait->signal, &record::Signal::name);
    if (found != next_.signals.end()) {
      add(record::StepDone{
          .step = static_cast<StepIndex>(i), .output = found->payload, .attempts = 0, .signal = found->id});
      return true;
    }
  }
  return false;
}

bool Plan::expose_ready() {
  if (next_.at(At::refused, At::unknown).any()) {
    return false;  // draining
  }
  const StepSet settled = next_.at(At::done, At::skipped);
  for (std::size_t i = 0; i < next_.steps.size(); ++i) {
    if (next_.steps[i].at == At::idle && (next_.definition->steps[i].after & ~settled).none()) {
      return expose_action(static_cast<StepIndex>(i));
    }
  }
  return false;
}

bool Plan::expose_action(StepIndex index) {
  const Step& step = next_.definition->steps[index];
  const json::Value scope = scope_of(next_);
  const auto cannot = [&](const Error& error) {
    suspend(SuspendReason::cannot_render, index, Op::action, error.message);
    return true;
  };
  if (step.when) {
    const auto wanted = evaluate(*step.when, scope);
    if (!wanted) {
      return cannot(wanted.error());
    }
    if (!wanted->is_true()) {
      expose({.step = index, .op = Op::action, .kind = Exposure::Kind::skip, .request = nullptr});
      return true;
    }
  }
  if (const auto* request = std::get_if<Request>(&step.action)) {
    auto rendered = render(*request, scope);
    if (!rendered) {
      return cannot(rendered.error());
    }
    expose(
        {.step = index, .op = Op::action, .kind = Exposure::Kind::request, .request = *std::move(rendered)});
    return true;
  }
  if (const auto* nested = std::get_if<NestedSaga>(&step.action)) {
    const auto input = evaluate(nested->input, scope);
    if (!input) {
      return cannot(input.error());
    }
    RenderedRequest request{.target = nested->hash.value(), .body = json::write(*input)};
    expose({.step = index,
            .op = Op::action,
            .kind = Exposure::Kind::child,
            .request = std::make_shared<const RenderedRequest>(std::move(request))});
    return true;
  }
  expose({.step = index, .op = Op::action, .kind = Exposure::Kind::wait, .request = nullptr});
  const auto* signal = std::get_if<SignalWait>(&step.action);
  const auto* timer = std::get_if<TimerWait>(&step.action);
  const auto length = signal != nullptr ? signal->within : std::optional(timer->length);
  if (length) {
    add(record::TimerSet{.id = next_.next_timer,
                         .due = context_.time + to_millis(*length),
                         .use = TimerUse::wait,
                         .step = index,
                         .op = Op::action});
  }
  return true;
}

bool Plan::finish_forward() {
  const StepSet settled = next_.at(At::done, At::skipped);
  if (settled.count() != next_.steps.size()) {
    return false;
  }
  json::Value result;
  if (next_.definition->result) {
    auto value = evaluate(*next_.definition->result, scope_of(next_));
    if (value) {
      result = *std::move(value);
    } else {
      after.emplace_back(effect::Alert{
          .saga = next_.id, .kind = effect::Alert::Kind::result_failed, .detail = value.error().message});
    }
  }
  std::string text = result.is_null() ? std::string() : json::write(result);
  if (!next_.parent.is_none() && !next_.definition->pivot) {
    add(record::Held{.result = std::move(text)});
  } else {
    add(record::Completed{.result = std::move(text)});
  }
  return true;
}

// Whether something that came after the step in the graph must be undone, or may be answered yet, before it.
bool Plan::blocked_by_later(StepIndex step) const {
  if (context_.faults.has(EngineFault::undo_in_wrong_order)) {
    return false;
  }
  const StepSet later = next_.definition->steps[step].descendants;
  for (std::size_t i = 0; i < next_.steps.size(); ++i) {
    if (later[i] && (context_.open[i] || needs_undo(next_, static_cast<StepIndex>(i)))) {
      return true;
    }
  }
  return false;
}

bool Plan::settle_undo() {
  bool left = context_.open.any();
  for (std::size_t i = next_.steps.size(); i-- > 0;) {
    const auto index = static_cast<StepIndex>(i);
    if (!needs_undo(next_, index)) {
      continue;
    }
    left = true;
    const At at = next_.steps[i].at;
    const bool open = context_.open[i] && !context_.faults.has(EngineFault::undo_beside_action);
    if (at != At::undoing && at != At::blocked && !open && !blocked_by_later(index)) {
      return expose_undo(index);
    }
  }
  if (!left) {
    add(record::Compensated{});
    return true;
  }
  // Branches whose order is independent have gone on; what is left waits for a person.
  const StepSet blocked = next_.at(At::blocked);
  if (blocked.any() && next_.at(At::undoing).none() && context_.open.none()) {
    std::size_t step = 0;
    while (!blocked[step]) {
      ++step;
    }
    suspend(SuspendReason::undo_blocked, static_cast<StepIndex>(step), Op::undo, "its undo was refused");
    return true;
  }
  return false;
}

bool Plan::expose_undo(StepIndex index) {
  const Step& step = next_.definition->steps[index];
  if (!step.undo) {  // a nested saga undoes itself
    expose({.step = index,
            .op = Op::undo,
            .kind = Exposure::Kind::child,
            .request = std::make_shared<const RenderedRequest>()});
    return true;
  }
  auto rendered = render(*step.undo, scope_of(next_));
  if (!rendered) {
    suspend(SuspendReason::cannot_render, index, Op::undo, rendered.error().message);
    return true;
  }
  expose({.step = index, .op = Op::undo, .kind = Exposure::Kind::request, .request = *std::move(rendered)});
  return true;
}

}  // namespace flotilla::saga
