#include "flotilla/saga/core/redact.hpp"

#include <span>

namespace flotilla::saga {
namespace {

// Recursion is as deep as the value, which json::parse bounds.
json::Value hide(const json::Value& value, std::span<const std::string> path) {
  if (value.is_null()) {
    return value;  // that there is none is no secret
  }
  if (path.empty()) {
    return json::Value(kRedacted);
  }
  if (value.is_array()) {
    json::Value list = json::Value::array();
    for (const json::Value& item : value.items()) {
      list.push_back(hide(item, path));
    }
    return list;
  }
  if (value.is_object()) {
    if (const json::Value* const member = value.find(path.front())) {
      json::Value object = value;
      object.set(path.front(), hide(*member, path.subspan(1)));
      return object;
    }
  }
  return value;
}

json::Value hide_all(const Definition& definition, Redaction::Of of, StepIndex step, json::Value value) {
  for (const Redaction& redaction : definition.redact) {
    if (redaction.of == of && redaction.step == step) {
      value = hide(value, redaction.members);
    }
  }
  return value;
}

}  // namespace

json::Value redacted(const Definition& definition, Redaction::Of of, const json::Value& value) {
  return hide_all(definition, of, 0, value);
}

json::Value redacted_output(const Definition& definition, StepIndex step, const json::Value& value) {
  return hide_all(definition, Redaction::Of::step, step, value);
}

}  // namespace flotilla::saga
