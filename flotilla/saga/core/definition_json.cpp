// Writing; definition_parse.cpp reads.
#include "flotilla/saga/core/definition_json.hpp"

#include "flotilla/json/canonical.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

using json::Value;

void set_flag(Value& object, std::string_view key, bool flag) {
  if (flag) {
    object.set(key, true);
  }
}

void set_text(Value& object, std::string_view key, const std::optional<call::Expression>& text) {
  if (text) {
    object.set(key, text->text());
  }
}

Value to_json(const Retry& retry) {
  Value object = Value::object({{"first_ns", retry.first.count()},
                                {"cap_ns", retry.cap.count()},
                                {"factor", Value::number(retry.factor)}});
  if (retry.attempts != 0) {
    object.set("attempts", retry.attempts);
  }
  if (retry.within) {
    object.set("within_ns", retry.within->count());
  }
  return object;
}

Value to_json(const Request& request) {
  Value object = Value::object({{"call", request.target.text()}, {"timeout_ns", request.timeout.count()}});
  if (const auto* const body = std::get_if<call::Expression>(&request.body)) {
    object.set("body", Value::object({{"expression", body->text()}}));
  } else if (const auto* const literal = std::get_if<Value>(&request.body)) {
    object.set("body", Value::object({{"value", *literal}}));
  }
  if (!request.headers.empty()) {
    Value headers = Value::object();
    for (const auto& [name, value] : request.headers) {
      headers.set(name, value.text());
    }
    object.set("headers", std::move(headers));
  }
  return object;
}

Value with_retry(Value request, const Retry& retry) {
  request.set("retry", to_json(retry));
  return request;
}

void set_action(Value& object, const Step& step) {
  if (const auto* const request = std::get_if<Request>(&step.action)) {
    object.set("action", with_retry(to_json(*request), step.retry));
    if (step.kind != StepKind::retriable) {
      object.set("on_unknown", step.abort_when_unknown ? "abort" : "suspend");
    }
  } else if (const auto* const nested = std::get_if<NestedSaga>(&step.action)) {
    Value saga = Value::object(
        {{"name", nested->name}, {"hash", nested->hash.value()}, {"input", nested->input.text()}});
    set_flag(saga, "has_pivot", nested->has_pivot);
    object.set("saga", std::move(saga));
  } else if (const auto* const signal = std::get_if<SignalWait>(&step.action)) {
    Value wait = Value::object({{"name", signal->signal}});
    if (signal->within) {
      wait.set("within_ns", signal->within->count());
    }
    set_flag(wait, "continue", !signal->abort_when_over);
    object.set("signal", std::move(wait));
  } else {
    object.set("timer_ns", std::get<TimerWait>(step.action).length.count());
  }
}

Value to_json(const Step& step, const Definition& saga) {
  Value after = Value::array();
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    if (step.after.test(i)) {
      after.push_back(saga.steps[i].name);
    }
  }
  Value object =
      Value::object({{"name", step.name}, {"kind", to_string(step.kind)}, {"after", std::move(after)}});
  set_action(object, step);
  if (step.undo) {
    object.set("undo", with_retry(to_json(*step.undo), step.undo_retry));
  }
  if (!step.no_undo_because.empty()) {
    object.set("no_undo_because", step.no_undo_because);
  }
  if (step.status) {
    object.set("status", to_json(*step.status));
  }
  set_text(object, "when", step.when);
  if (!step.outcomes.empty()) {
    Value outcomes = Value::object();
    for (const StatusOutcome& outcome : step.outcomes) {
      outcomes.set(std::to_string(outcome.status), to_string(outcome.verdict));
    }
    object.set("outcomes", std::move(outcomes));
  }
  set_flag(object, "accept_202", step.accept_202);
  set_flag(object, "undo_404_ok", step.undo_404_ok);
  set_flag(object, "replays_answers", step.replays_answers);
  set_flag(object, "barrier", step.barrier);
  if (!step.output_schema.is_null()) {
    object.set("output_schema", step.output_schema);
  }
  return object;
}

Value to_json(const Locks& locks) {
  Value keys = Value::array();
  for (const call::TextTemplate& key : locks.keys) {
    keys.push_back(key.text());
  }
  Value object = Value::object({{"keys", std::move(keys)}});
  set_text(object, "when", locks.when);
  if (locks.if_held == Locks::IfHeld::wait) {
    object.set("wait_ns", locks.wait.count());
  }
  set_flag(object, "reject", locks.if_held == Locks::IfHeld::reject);
  return object;
}

Value to_json(const Publication& publication, const Definition& saga) {
  std::string at(to_string(publication.cause));
  if (publication.cause == Publication::Cause::done || publication.cause == Publication::Cause::refused ||
      publication.cause == Publication::Cause::undone) {
    at += "." + saga.steps[publication.step].name;
  }
  return Value::object({{"at", at}, {"topic", publication.topic}, {"data", publication.data.text()}});
}

}  // namespace

std::string canonical_json(const Definition& definition) {
  Value steps = Value::array();
  for (const Step& step : definition.steps) {
    steps.push_back(to_json(step, definition));
  }
  Value object = Value::object({{"format", kDefinitionFormat},
                                {"name", definition.name},
                                {"version", definition.version},
                                {"steps", std::move(steps)},
                                {"keep_completed_ns", definition.keep_completed.count()},
                                {"keep_compensated_ns", definition.keep_compensated.count()}});
  if (!definition.input_schema.is_null()) {
    object.set("input_schema", definition.input_schema);
  }
  if (definition.deadline) {
    object.set("deadline_ns", definition.deadline->count());
  }
  if (!definition.locks.keys.empty()) {
    object.set("locks", to_json(definition.locks));
  }
  if (!definition.publish.empty()) {
    Value publish = Value::array();
    for (const Publication& publication : definition.publish) {
      publish.push_back(to_json(publication, definition));
    }
    object.set("publish", std::move(publish));
  }
  set_text(object, "result", definition.result);
  set_flag(object, "require_key", definition.require_key);
  if (!definition.search.empty()) {
    Value search = Value::object();
    for (const auto& [name, expression] : definition.search) {
      search.set(name, expression.text());
    }
    object.set("search", std::move(search));
  }
  if (!definition.redact.empty()) {
    Value redact = Value::array();
    for (const Redaction& redaction : definition.redact) {
      redact.push_back(redaction.text);
    }
    object.set("redact", std::move(redact));
  }
  set_flag(object, "drain_on_failure", definition.drain_on_failure);
  set_flag(object, "independent_undo", definition.independent_undo);
  set_flag(object, "fail_when_blocked", definition.fail_when_blocked);
  return json::write(json::canonical(object));
}

}  // namespace flotilla::saga
