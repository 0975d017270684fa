#include "flotilla/journal/core/event_value.hpp"

namespace flotilla::journal {

json::Value event_value(const Event& event, const json::Value& data) {
  json::Value value = json::Value::object();
  for (const auto& [name, text] : event.attributes) {
    value.set(name, text);
  }
  value.set("data", data);
  return value;
}

}  // namespace flotilla::journal
