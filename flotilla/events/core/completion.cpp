#include "flotilla/events/core/completion.hpp"

#include <array>
#include <optional>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/ulid.hpp"
#include "flotilla/events/core/cloud_event.hpp"
#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/format.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

using journal::Event;

constexpr std::size_t kFilledIn = 9;  // attributes at most

bool has(const Event& event, std::string_view name) { return !event.attribute(name).empty(); }

void fill(Event& event, std::string_view name, std::string_view value) {
  if (!value.empty() && !has(event, name)) {
    event.attributes.emplace_back(name, value);
  }
}

// No key is no order.
Asked<std::string> key_of(const Topic& topic, const Event& event, const json::Value& data) {
  const std::array<json::Value, 1> variables{journal::event_value(event, data)};
  const auto key = expr::evaluate_first(*topic.key, data, variables);
  if (!key) {
    return refuse(Reason::invalid, fmt::format("the key {} of topic {} cannot be had of this data: {}",
                                               topic.key_text, topic.name, key.error().message()));
  }
  if (key->is_null()) {
    return std::string();
  }
  std::string text = key->is_string() ? std::string(key->as_string()) : json::write(*key);
  if (key->is_array() || key->is_object() || text.size() > kMaxAttributeValue) {
    return refuse(Reason::invalid,
                  fmt::format("the key {} of topic {} gives no text, number or boolean of at most {} bytes",
                              topic.key_text, topic.name, kMaxAttributeValue));
  }
  return text;
}

// Schema and key see the data as JSON.
Asked<Done> look_at_data(const Topic& topic, Event& event) {
  const bool wants_key = topic.key && !has(event, "partitionkey");
  if (!topic.schema && !wants_key) {
    return {};
  }
  const bool is_json = is_json_type(event.attribute("datacontenttype")) && !event.data.empty();
  if (!is_json && topic.schema) {
    return refuse(Reason::invalid, fmt::format("topic {} has a schema, so its data is JSON", topic.name));
  }
  if (!is_json) {
    return {};
  }
  const auto data = json::parse(event.data);
  if (!data) {
    return refuse(data.error().code == Errc::limit ? Reason::too_large : Reason::malformed,
                  "the data is not JSON: " + data.error().message);
  }
  if (topic.schema) {
    if (const auto valid = topic.schema->validate(*data); !valid) {
      return refuse(Reason::invalid, fmt::format("the data is not what topic {} takes: {}", topic.name,
                                                 valid.error().summary()));
    }
  }
  if (wants_key) {
    auto key = key_of(topic, event, *data);
    if (!key) {
      return std::unexpected(std::move(key.error()));
    }
    fill(event, "partitionkey", *key);
  }
  return {};
}

}  // namespace

Asked<CompleteEvent> complete(const Topic& topic, Event event, const Origin& origin, WallTime now,
                              Random& random) {
  CompleteEvent done{.event = std::move(event), .own_id = false};
  Event& e = done.event;
  e.attributes.reserve(e.attributes.size() + kFilledIn);
  if (!has(e, "id")) {
    done.own_id = true;
    e.attributes.emplace(e.attributes.begin(), "id", Ulid::make(now, random).text());
  }
  const std::string id(e.attribute("id"));
  fill(e, "source", "/topics/" + topic.name);
  fill(e, "type", topic.name);
  if (!e.data.empty()) {
    fill(e, "datacontenttype", "application/json");
  }
  if (has(e, "time") && !json::schema::find_format("date-time")->check(e.attribute("time"))) {
    return refuse(Reason::malformed, "the attribute 'time' is no time such as 2026-11-24T10:22:47.123Z");
  }
  fill(e, "time", iso_time(now));
  fill(e, "correlationid", origin.correlation.empty() ? id : origin.correlation);
  fill(e, "causationid", origin.causation.empty() ? id : origin.causation);
  fill(e, "traceparent", origin.traceparent);
  if (auto looked = look_at_data(topic, e); !looked) {
    return std::unexpected(std::move(looked.error()));
  }
  std::size_t size = e.data.size();
  for (const auto& [name, value] : e.attributes) {
    size += name.size() + value.size() + 8;
  }
  constexpr std::size_t kMost = journal::kMaxBody - 16;  // of the encoding beside the fields
  if (size > kMost) {
    return refuse(
        Reason::too_large,
        fmt::format("an event has at most {} bytes, this one has {}; store the data elsewhere and send "
                    "a reference",
                    kMost, size));
  }
  return done;
}

}  // namespace flotilla::events
