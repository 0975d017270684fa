#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/codec.hpp"
#include "flotilla/saga/core/codec_parts.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {
namespace {

// JSON values stand as texts, the definition as its hash.
struct SnapshotForm {
  SagaState& state;
  std::string definition;
  std::string input;
  std::string result;
};

std::string text_of(const json::Value& value) { return value.is_null() ? std::string() : json::write(value); }

json::Value value_of(const std::string& text) {
  auto value = json::parse(text.empty() ? "null" : text, {.size = 4 * kMaxPayload});
  return value ? *std::move(value) : json::Value();
}

}  // namespace

template <class Fields>
void describe(Fields& fields, StepState& step) {
  fields(1, step.at);
  fields.at_most(step.at, StepState::At::never);
  fields(2, step.kind);
  fields.at_most(step.kind, Exposure::Kind::skip);
  fields(3, step.status);
  fields(4, step.attempts);
  std::string output = text_of(step.output);
  fields(5, output);
  step.output = value_of(output);
  RenderedRequest request = step.request ? *step.request : RenderedRequest{};
  bool has_request = step.request != nullptr;
  fields(6, has_request);
  fields(7, request);
  step.request = has_request ? std::make_shared<const RenderedRequest>(std::move(request)) : nullptr;
}
template <class Fields>
void describe(Fields& fields, TimerState& timer) {
  fields(1, timer.id);
  fields(2, timer.due);
  fields(3, timer.use);
  fields.at_most(timer.use, TimerUse::wait);
  step_and_op(fields, 4, timer.step, &timer.op);
}
template <class Fields>
void describe(Fields& fields, record::Signal& signal) {
  fields(1, signal.id);
  fields(2, signal.name);
  fields(3, signal.payload);
}
template <class Fields>
void describe(Fields& fields, SuspendState& suspension) {
  fields(1, suspension.reason);
  fields.at_most(suspension.reason, SuspendReason::operator_);
  step_and_op(fields, 2, suspension.step, &suspension.op);
  fields(4, suspension.detail);
}
template <class Fields>
void describe(Fields& fields, AbortState& abort) {
  fields(1, abort.cause);
  fields.at_most(abort.cause, Cause::parent);
  step_and_op(fields, 2, abort.step);
  fields(3, abort.status);
  fields(4, abort.detail);
}
template <class Fields>
void describe(Fields& fields, SnapshotForm& form) {
  SagaState& s = form.state;
  fields(1, form.definition);
  fields(2, s.id);
  fields(3, s.phase);
  fields.at_most(s.phase, Phase::rejected);
  fields(4, s.suspended);
  fields(5, s.cancel_requested);
  fields(6, s.seq);
  fields(7, s.epoch);
  fields(8, s.created);
  fields(9, s.changed);
  fields(10, s.deadline);
  fields(11, s.next_timer);
  fields(12, s.steps);
  fields(13, s.timers);
  fields(14, s.signals);
  fields(15, s.signals_seen);
  fields(16, s.suspension);
  fields(17, s.abort);
  fields(18, s.parent);
  fields(19, s.locks);
  fields(20, form.input);
  fields(21, form.result);
  fields(22, s.key);
  fields(23, s.trace);
  fields(24, s.correlation);
}

std::string encode_snapshot(const SagaState& state) {
  SagaState copy = state;
  SnapshotForm form{.state = copy,
                    .definition = state.definition ? state.definition->hash.value() : std::string(),
                    .input = text_of(state.input),
                    .result = text_of(state.result)};
  std::string out;
  FieldWriter fields(out);
  describe(fields, form);
  return out;
}

Result<SagaState> decode_snapshot(std::string_view bytes, const DefinitionSource& definitions) {
  SagaState state;
  state.next_timer = 0;
  SnapshotForm form{.state = state, .definition = {}, .input = {}, .result = {}};
  FieldReader fields(bytes);
  describe(fields, form);
  if (const auto wrong = fields.finish()) {
    return fail(Errc::invalid, "a saga's snapshot is damaged: " + *wrong);
  }
  state.definition = definitions.find(form.definition);
  if (!state.definition) {
    return fail(Errc::not_found, "the definition " + form.definition + " of a saga's snapshot is not there");
  }
  if (state.steps.size() != state.definition->steps.size()) {
    return fail(Errc::invalid, "a saga's snapshot is damaged: its steps are not those of its definition");
  }
  state.input = value_of(form.input);
  state.result = value_of(form.result);
  return state;
}

}  // namespace flotilla::saga
