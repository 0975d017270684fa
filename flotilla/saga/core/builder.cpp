#include "flotilla/saga/core/builder.hpp"

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/saga/core/definition_check.hpp"

namespace flotilla::saga {
namespace {

RequestDraft request(std::string_view call, std::string_view body) {
  RequestDraft draft{.call = {std::string(call)}};
  if (!body.empty()) {
    draft.body.emplace();
    draft.body->value = std::string(body);
  }
  return draft;
}

}  // namespace

StepBuilder& StepBuilder::action(std::string_view call, std::string_view body) {
  draft_.action = request(call, body);
  return *this;
}
StepBuilder& StepBuilder::undo(std::string_view call, std::string_view body) {
  draft_.undo = request(call, body);
  return *this;
}
StepBuilder& StepBuilder::no_undo(std::string because) {
  draft_.no_undo.emplace();
  draft_.because = {std::move(because)};
  return *this;
}
StepBuilder& StepBuilder::status(std::string_view call) {
  draft_.status = request(call, {});
  return *this;
}
StepBuilder& StepBuilder::header(std::string name, std::string value) {
  FLOTILLA_ASSERT(draft_.action);
  draft_.action->headers.emplace_back(std::move(name), WrittenText{std::move(value)});
  return *this;
}
StepBuilder& StepBuilder::timeout(Duration of_an_attempt) {
  FLOTILLA_ASSERT(draft_.action);
  draft_.action->timeout = {of_an_attempt};
  return *this;
}
StepBuilder& StepBuilder::retry(const RetryDraft& retry) {
  FLOTILLA_ASSERT(draft_.action);
  draft_.action->retry = {retry};
  return *this;
}
StepBuilder& StepBuilder::body(json::Value literal) {
  FLOTILLA_ASSERT(draft_.action);
  draft_.action->body.emplace();
  draft_.action->body->value = std::move(literal);
  return *this;
}
StepBuilder& StepBuilder::undo_timeout(Duration of_an_attempt) {
  FLOTILLA_ASSERT(draft_.undo);
  draft_.undo->timeout = {of_an_attempt};
  return *this;
}
StepBuilder& StepBuilder::undo_retry(const RetryDraft& backoff) {
  FLOTILLA_ASSERT(draft_.undo);
  draft_.undo->retry = {backoff};
  return *this;
}
StepBuilder& StepBuilder::saga(std::string name, std::string input) {
  draft_.saga.emplace(NestedDraft{.name = {std::move(name)}, .input = WrittenText{std::move(input)}});
  return *this;
}
StepBuilder& StepBuilder::signal(SignalWait wait) {
  draft_.signal = {std::move(wait)};
  return *this;
}
StepBuilder& StepBuilder::timer(Duration length) {
  draft_.timer = {TimerWait{length}};
  return *this;
}
StepBuilder& StepBuilder::after(std::initializer_list<std::string_view> names) {
  draft_.after.emplace();
  for (const std::string_view name : names) {
    draft_.after->push_back({std::string(name)});
  }
  return *this;
}
StepBuilder& StepBuilder::when(std::string condition) {
  draft_.when = {std::move(condition)};
  return *this;
}
StepBuilder& StepBuilder::suspend_when_unknown() {
  draft_.abort_when_unknown = {false};
  return *this;
}
StepBuilder& StepBuilder::abort_when_unknown() {
  draft_.abort_when_unknown = {true};
  return *this;
}
StepBuilder& StepBuilder::outcome(std::uint16_t status, Verdict verdict) {
  draft_.outcomes.push_back({{status, verdict}});
  return *this;
}
StepBuilder& StepBuilder::accept_202() {
  draft_.accept_202 = {true};
  return *this;
}
StepBuilder& StepBuilder::undo_404_ok() {
  draft_.undo_404_ok = {true};
  return *this;
}
StepBuilder& StepBuilder::replays_answers() {
  draft_.replays_answers = {true};
  return *this;
}
StepBuilder& StepBuilder::barrier() {
  draft_.barrier = {true};
  return *this;
}
StepBuilder& StepBuilder::output_schema(json::Value schema) {
  draft_.output_schema = {std::move(schema)};
  return *this;
}

SagaBuilder& SagaBuilder::version(std::uint32_t number) {
  draft_.version = number;
  return *this;
}
SagaBuilder& SagaBuilder::input_schema(json::Value schema) {
  draft_.input_schema = {std::move(schema)};
  return *this;
}
SagaBuilder& SagaBuilder::deadline(Duration from_acceptance) {
  draft_.deadline = {from_acceptance};
  return *this;
}
SagaBuilder& SagaBuilder::lock(std::string key) {
  draft_.locks.keys.push_back({std::move(key)});
  return *this;
}
SagaBuilder& SagaBuilder::lock_when(std::string condition) {
  draft_.locks.when = {std::move(condition)};
  return *this;
}
SagaBuilder& SagaBuilder::reject_if_locked() {
  draft_.locks.if_held = Locks::IfHeld::reject;
  return *this;
}
SagaBuilder& SagaBuilder::wait_for_locks(Duration at_most) {
  draft_.locks.if_held = Locks::IfHeld::wait;
  draft_.locks.wait = {at_most};
  return *this;
}
SagaBuilder& SagaBuilder::publish(std::string cause, std::string topic, std::string data) {
  draft_.publish.push_back({.cause = {std::move(cause)}, .topic = {std::move(topic)}, .data = {}});
  draft_.publish.back().data = {std::move(data)};
  return *this;
}
SagaBuilder& SagaBuilder::step(const StepBuilder& step) {
  draft_.steps.push_back(step.draft());
  return *this;
}
SagaBuilder& SagaBuilder::result(std::string expression) {
  draft_.result = {std::move(expression)};
  return *this;
}
SagaBuilder& SagaBuilder::require_key() {
  draft_.require_key = true;
  return *this;
}
SagaBuilder& SagaBuilder::search(std::string name, std::string expression) {
  draft_.search.emplace_back(WrittenText{std::move(name)}, WrittenText{std::move(expression)});
  return *this;
}
SagaBuilder& SagaBuilder::redact(std::string path) {
  draft_.redact.push_back({std::move(path)});
  return *this;
}
SagaBuilder& SagaBuilder::drain_on_failure() {
  draft_.drain_on_failure = true;
  return *this;
}
SagaBuilder& SagaBuilder::independent_undo() {
  draft_.independent_undo = true;
  return *this;
}
SagaBuilder& SagaBuilder::fail_when_blocked() {
  draft_.fail_when_blocked = true;
  return *this;
}
SagaBuilder& SagaBuilder::keep_completed(Duration length) {
  draft_.keep_completed = {length};
  return *this;
}
SagaBuilder& SagaBuilder::keep_compensated(Duration length) {
  draft_.keep_compensated = {length};
  return *this;
}

Result<DefinitionPtr> SagaBuilder::build(std::span<const DefinitionPtr> known) const {
  auto checked = check_definition(draft_, known);
  if (!checked) {
    return fail(Errc::invalid,
                fmt::format("saga '{}': {}", draft_.name.value, checked.error().front().message));
  }
  return std::move(checked->definition);
}

}  // namespace flotilla::saga
