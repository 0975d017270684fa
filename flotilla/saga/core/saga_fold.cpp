#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;

// A JSON text of ours. What is no JSON was a service's answer, and is kept as the string it is.
json::Value value_of(const std::string& text) {
  if (text.empty()) {
    return {};
  }
  auto value = json::parse(text, {.size = 4 * kMaxPayload});
  return value ? *std::move(value) : json::Value(text);
}

class Fold {
 public:
  Fold(SagaState& state, const RecordMeta& meta, const DefinitionSource& definitions)
      : s_(state), meta_(meta), definitions_(definitions) {}

  Result<> operator()(const record::Accepted& r);
  Result<> operator()(const record::StepDone& r);
  Result<> operator()(const record::StepRefused& r);
  Result<> operator()(const record::StepUnknown& r);
  Result<> operator()(const record::Aborting& r);
  Result<> operator()(const record::CancelRequested& r);
  Result<> operator()(const record::StepUndone& r);
  Result<> operator()(const record::UndoBlocked& r);
  Result<> operator()(const record::TimerSet& r);
  Result<> operator()(const record::TimerFired& r);
  Result<> operator()(const record::Signal& r);
  Result<> operator()(const record::Suspended& r);
  Result<> operator()(const record::Resumed& r);
  Result<> operator()(const record::Operator& r);
  Result<> operator()(const record::Held& r);
  Result<> operator()(const record::Completed& r);
  Result<> operator()(const record::Compensated& r);
  Result<> operator()(const record::Failed& r);
  Result<> operator()(const record::Rejected& r);
  Result<> expose(const Exposure& exposure);

 private:
  static std::unexpected<Error> cannot(std::string_view why) { return fail(Errc::invalid, std::string(why)); }
  // The step's state, or null if there is no such step.
  StepState* step(StepIndex index) { return index < s_.steps.size() ? &s_.steps[index] : nullptr; }
  [[nodiscard]] bool open() const { return s_.phase != Phase::none && !is_terminal(s_.phase); }
  [[nodiscard]] bool before_the_end() const {
    return s_.phase == Phase::running || s_.phase == Phase::committed || s_.phase == Phase::compensating;
  }
  void end(Phase phase) {
    s_.phase = phase;
    s_.suspended = false;
    s_.timers.clear();
    s_.signals.clear();
    for (StepState& step : s_.steps) {
      step.request.reset();
    }
  }
  void forget_timers(StepIndex step) {
    std::erase_if(s_.timers, [&](const TimerState& timer) { return timer.step == step; });
  }
  Result<> set_result(const record::Operator& r);
  Result<> migrate(const std::string& hash);

  SagaState& s_;
  const RecordMeta& meta_;
  const DefinitionSource& definitions_;
};

Result<> Fold::operator()(const record::Accepted& r) {
  if (s_.phase != Phase::none) {
    return cannot("it was accepted before");
  }
  s_.definition = definitions_.find(r.definition);
  if (!s_.definition) {
    return fail(Errc::not_found, fmt::format("its definition {} is not there", r.definition));
  }
  s_.id = r.id;
  s_.phase = Phase::running;
  s_.created = meta_.time;
  s_.deadline = r.deadline;
  s_.steps.resize(s_.definition->steps.size());
  s_.parent = r.parent;
  s_.locks = r.locks;
  s_.input = value_of(r.input);
  s_.key = r.key;
  s_.trace = r.trace;
  s_.correlation = r.correlation;
  return {};
}

Result<> Fold::operator()(const record::StepDone& r) {
  StepState* done = step(r.step);
  if (done == nullptr || (done->at != At::exposed && done->at != At::unknown) || !before_the_end()) {
    return cannot("no action of this step is open");
  }
  done->at = At::done;
  done->status = r.status;
  done->attempts = r.attempts;
  done->output = value_of(r.output);
  done->request.reset();
  forget_timers(r.step);
  if (!r.signal.empty()) {
    std::erase_if(s_.signals, [&](const record::Signal& signal) { return signal.id == r.signal; });
  }
  if (s_.phase == Phase::running && s_.definition->pivot == r.step) {
    s_.phase = Phase::committed;
  }
  return {};
}

Result<> Fold::operator()(const record::StepRefused& r) {
  StepState* refused = step(r.step);
  if (refused == nullptr || (refused->at != At::exposed && refused->at != At::unknown) || !before_the_end()) {
    return cannot("no action of this step is open");
  }
  refused->at = At::refused;
  refused->status = r.status;
  refused->attempts = r.attempts;
  if (s_.phase != Phase::committed) {
    refused->request.reset();  // past the pivot a person may have it sent again
  }
  forget_timers(r.step);
  return {};
}

Result<> Fold::operator()(const record::StepUnknown& r) {
  StepState* unknown = step(r.step);
  // Also of a step that is unknown already: then nothing of it can arrive any more.
  if (unknown == nullptr || (unknown->at != At::exposed && unknown->at != At::unknown) || !before_the_end()) {
    return cannot("no action of this step is open");
  }
  unknown->at = At::unknown;
  unknown->attempts = r.attempts;
  forget_timers(r.step);
  return {};
}

Result<> Fold::operator()(const record::Aborting& r) {
  if (s_.phase != Phase::running && s_.phase != Phase::held) {
    return cannot("only what runs or is held can abort");
  }
  s_.phase = Phase::compensating;
  s_.abort = {.cause = r.cause, .step = r.step, .status = r.status, .detail = r.detail};
  s_.timers.clear();
  s_.result = {};
  for (std::size_t i = 0; i < s_.steps.size(); ++i) {
    StepState& each = s_.steps[i];
    const bool unsent = (r.unsent >> i & 1U) != 0;
    if (unsent && each.at != At::exposed) {
      return cannot("a step that is not exposed is listed as unsent");
    }
    if (each.at == At::idle || unsent) {
      each.at = At::never;
      each.request.reset();
    }
  }
  return {};
}

Result<> Fold::operator()(const record::CancelRequested& /*r*/) {
  if (s_.phase != Phase::running) {
    return cannot("only a running saga is asked to cancel");
  }
  s_.cancel_requested = true;
  return {};
}

Result<> Fold::operator()(const record::StepUndone& r) {
  StepState* undone = step(r.step);
  if (undone == nullptr || undone->at != At::undoing) {
    return cannot("no undo of this step is open");
  }
  undone->at = At::undone;
  undone->status = r.status;
  undone->attempts = r.attempts;
  undone->request.reset();
  forget_timers(r.step);
  return {};
}

Result<> Fold::operator()(const record::UndoBlocked& r) {
  StepState* blocked = step(r.step);
  if (blocked == nullptr || blocked->at != At::undoing) {
    return cannot("no undo of this step is open");
  }
  blocked->at = At::blocked;
  blocked->status = r.status;
  blocked->attempts = r.attempts;
  forget_timers(r.step);
  return {};
}

Result<> Fold::operator()(const record::TimerSet& r) {
  if (!open() || r.id != s_.next_timer || step(r.step) == nullptr) {
    return cannot("a timer out of order");
  }
  ++s_.next_timer;
  s_.timers.push_back({.id = r.id, .due = r.due, .use = r.use, .step = r.step, .op = r.op});
  return {};
}

Result<> Fold::operator()(const record::TimerFired& r) {
  if (std::erase_if(s_.timers, [&](const TimerState& timer) { return timer.id == r.id; }) == 0) {
    return cannot("a timer that is not set");
  }
  return {};
}

Result<> Fold::operator()(const record::Signal& r) {
  if (!open() || std::ranges::count(s_.signals_seen, r.id) != 0) {
    return cannot("the signal was taken before");
  }
  s_.signals_seen.push_back(r.id);
  s_.signals.push_back(r);
  return {};
}

Result<> Fold::operator()(const record::Suspended& r) {
  if (!before_the_end() || s_.suspended || step(r.step) == nullptr) {
    return cannot("it is not going on");
  }
  s_.suspended = true;
  s_.suspension = {.reason = r.reason, .step = r.step, .op = r.op, .detail = r.detail};
  return {};
}

Result<> Fold::operator()(const record::Resumed& /*r*/) {
  if (!s_.suspended) {
    return cannot("it is not suspended");
  }
  s_.suspended = false;
  s_.suspension = {};
  return {};
}

Result<> Fold::set_result(const record::Operator& r) {
  StepState* target = step(r.step);
  if (r.op == Op::undo && target->at != At::undoing && target->at != At::blocked) {
    return cannot("no undo of this step is open");
  }
  if (r.op == Op::action && target->at != At::exposed && target->at != At::unknown &&
      target->at != At::refused) {
    return cannot("no action of this step is open");
  }
  target->at = r.op == Op::undo ? At::undone : At::done;
  target->request.reset();
  forget_timers(r.step);
  if (r.op == Op::action) {
    target->output = value_of(r.payload);
    if (s_.phase == Phase::running && s_.definition->pivot == r.step) {
      s_.phase = Phase::committed;
    }
  }
  return {};
}

Result<> Fold::migrate(const std::string& hash) {
  DefinitionPtr next = definitions_.find(hash);
  if (!next) {
    return fail(Errc::not_found, fmt::format("its definition {} is not there", hash));
  }
  s_.definition = std::move(next);
  s_.steps.resize(s_.definition->steps.size());
  return {};
}

Result<> Fold::operator()(const record::Operator& r) {
  StepState* target = step(r.step);
  if (!open() || target == nullptr) {
    return cannot("there is nothing to operate");
  }
  switch (r.verb) {
    case Verb::suspend:
    case Verb::resume:
    case Verb::abort:
    case Verb::fail:
      return {};
    case Verb::retry:
      if (target->at == At::blocked) {
        target->at = At::undoing;
      } else if ((target->at == At::unknown || target->at == At::refused) && target->request) {
        target->at = At::exposed;
      }
      std::erase_if(s_.timers, [&](const TimerState& timer) {
        return timer.step == r.step && timer.use == TimerUse::retry;
      });
      return {};
    case Verb::set_result:
      return set_result(r);
    case Verb::forgive:
      if (target->at != At::undoing && target->at != At::blocked) {
        return cannot("no undo of this step is open");
      }
      target->at = At::forgiven;
      target->request.reset();
      forget_timers(r.step);
      return {};
    case Verb::migrate:
      return migrate(r.payload);
  }
  return cannot("an unknown verb");
}

Result<> Fold::operator()(const record::Held& r) {
  if (s_.phase != Phase::running || s_.suspended || s_.parent.is_none()) {
    return cannot("only a nested saga that runs is held");
  }
  s_.phase = Phase::held;
  s_.result = value_of(r.result);
  return {};
}

Result<> Fold::operator()(const record::Completed& r) {
  if ((s_.phase != Phase::running && s_.phase != Phase::committed && s_.phase != Phase::held) ||
      s_.suspended) {
    return cannot("it is not going forward");
  }
  if (s_.phase != Phase::held) {
    s_.result = value_of(r.result);
  }
  end(Phase::completed);
  return {};
}

Result<> Fold::operator()(const record::Compensated& /*r*/) {
  if (s_.phase != Phase::compensating) {
    return cannot("it is not compensating");
  }
  for (std::size_t i = 0; i < s_.steps.size(); ++i) {
    if (needs_undo(s_, static_cast<StepIndex>(i))) {
      return cannot("a step is not undone");
    }
  }
  end(Phase::compensated);
  return {};
}

Result<> Fold::operator()(const record::Failed& /*r*/) {
  if (!before_the_end()) {
    return cannot("it is not open");
  }
  end(Phase::failed);
  return {};
}

Result<> Fold::operator()(const record::Rejected& r) {
  if (s_.phase != Phase::running || s_.at(At::done, At::refused, At::unknown).any()) {
    return cannot("something was sent");
  }
  s_.abort = {.cause = r.cause, .detail = r.detail};
  end(Phase::rejected);
  return {};
}

Result<> Fold::expose(const Exposure& exposure) {
  StepState* target = step(exposure.step);
  if (target == nullptr) {
    return cannot("a step that does not exist is exposed");
  }
  if (exposure.op == Op::undo) {
    if (s_.phase != Phase::compensating ||
        (target->at != At::exposed && target->at != At::done && target->at != At::unknown)) {
      return cannot("an undo out of order is exposed");
    }
    target->at = At::undoing;
    target->attempts = 0;
  } else {
    const StepSet settled = s_.at(At::done, At::skipped);
    const StepSet& after = s_.definition->steps[exposure.step].after;
    if ((s_.phase != Phase::running && s_.phase != Phase::committed) || target->at != At::idle ||
        (after & ~settled).any()) {
      return cannot("an action out of order is exposed");
    }
    target->at = exposure.kind == Exposure::Kind::skip ? At::skipped : At::exposed;
  }
  target->kind = exposure.kind;
  target->request = exposure.request;
  return {};
}

}  // namespace

Result<> apply(SagaState& state, const Record& record, const RecordMeta& meta,
               const DefinitionSource& definitions) {
  const auto refused = [&](const Error& error) {
    return fail(error.code, fmt::format("record {} of saga {}, {}: {}", meta.seq, state.id.text(),
                                        record_name(record.type()), error.message));
  };
  if (meta.seq != state.seq + 1 || meta.epoch < state.epoch) {
    return refused({Errc::invalid, "out of order"});
  }
  if (is_terminal(state.phase)) {
    return refused({Errc::invalid, "the saga has ended"});
  }
  if (state.phase == Phase::none && record.type() != 1) {
    return refused({Errc::invalid, "it was never accepted"});
  }
  Fold fold(state, meta, definitions);
  if (const auto folded = std::visit(fold, record.body); !folded) {
    return refused(folded.error());
  }
  for (const Exposure& exposure : record.exposed) {
    if (const auto exposed = fold.expose(exposure); !exposed) {
      return refused(exposed.error());
    }
  }
  state.seq = meta.seq;
  state.epoch = meta.epoch;
  state.changed = meta.time;
  return {};
}

Result<> apply_exposure(SagaState& state, const Exposure& exposure) {
  const RecordMeta meta;
  struct None final : DefinitionSource {
    [[nodiscard]] DefinitionPtr find(std::string_view /*hash*/) const override { return nullptr; }
  };
  const None none;
  return Fold(state, meta, none).expose(exposure);
}

}  // namespace flotilla::saga
