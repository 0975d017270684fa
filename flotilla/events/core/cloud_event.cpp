#include "flotilla/events/core/cloud_event.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/base64.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/check.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

constexpr std::string_view kFieldPrefix = "ce-";
constexpr std::string_view kStructured = "application/cloudevents+json";
constexpr std::string_view kBatch = "application/cloudevents-batch+json";
constexpr std::string_view kAnyStructured = "application/cloudevents";
constexpr std::string_view kContentType = "datacontenttype";

using Event = journal::Event;

// Without parameters and blanks.
std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxAttributeName &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c); });
}

// UTF-8 without control characters, which neither a field nor a log may carry.
bool is_plain_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = json::utf8_sequence(text, at);
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      return false;
    }
    at += length;
  }
  return true;
}

// Keeps one attribute, or says what is wrong with it.
Asked<Done> add(Event& event, std::string name, std::string value) {
  if (!is_name(name) || name == "data") {
    return refuse(
        Reason::malformed,
        fmt::format("'{}' is no name of an attribute: it is lower-case letters and digits, at most {}",
                    name.substr(0, kMaxAttributeName), kMaxAttributeName));
  }
  if (!is_attribute_text(value)) {
    return refuse(Reason::malformed,
                  fmt::format("the attribute '{}' is not a text of 1 to {} bytes of UTF-8 without control "
                              "characters",
                              name, kMaxAttributeValue));
  }
  if (name == "specversion") {
    return value == "1.0" ? Asked<Done>()
                          : refuse(Reason::malformed, "specversion: this is for CloudEvents 1.0");
  }
  if (std::ranges::any_of(event.attributes, [&](const auto& known) { return known.first == name; })) {
    return refuse(Reason::malformed, fmt::format("the attribute '{}' stands twice", name));
  }
  if (event.attributes.size() == kMaxAttributes) {
    return refuse(Reason::too_large, fmt::format("an event has at most {} attributes", kMaxAttributes));
  }
  event.attributes.emplace_back(std::move(name), std::move(value));
  return {};
}

// Readers get JSON data as it was kept.
Asked<Done> check_data(const Event& event) {
  if (event.data.empty() || !is_json_type(event.attribute(kContentType))) {
    return {};
  }
  const auto fault = json::find_fault(event.data);
  return fault ? refuse(fault->what == json::kTooDeep ? Reason::too_large : Reason::malformed,
                        fmt::format("the data is not JSON: {} at byte {}", fault->what, fault->offset))
               : Asked<Done>();
}

Asked<Event> read_binary(const http::Fields& fields, std::string_view content_type, std::string body) {
  std::vector<std::pair<std::string, std::string>> attributes;
  for (const http::Field& field : fields) {
    if (field.name.size() < kFieldPrefix.size() ||
        !iequals(std::string_view(field.name).substr(0, kFieldPrefix.size()), kFieldPrefix)) {
      continue;
    }
    std::string name = to_lower(std::string_view(field.name).substr(kFieldPrefix.size()));
    if (name == kContentType) {
      return refuse(Reason::malformed, "ce-datacontenttype: in binary mode Content-Type says it");
    }
    auto value = http::percent_decode(field.value);
    if (!value) {
      return refuse(Reason::malformed,
                    fmt::format("ce-{}: a % that is not followed by two hexadecimal digits", name));
    }
    attributes.emplace_back(std::move(name), std::move(*value));
  }
  return read_binary_event(std::move(attributes), content_type, std::move(body));
}

// A text, number or boolean as the text that CloudEvents' type system gives it.
std::optional<std::string> attribute_text(const json::Value& value) {
  if (value.is_string()) {
    return std::string(value.as_string());
  }
  if (value.is_bool()) {
    return value.as_bool() ? "true" : "false";
  }
  if (value.as_int()) {
    return std::to_string(*value.as_int());
  }
  return std::nullopt;
}

Asked<Done> set_data(Event& event, const json::Value& object) {
  const json::Value* const data = object.find("data");
  const json::Value* const bytes = object.find("data_base64");
  if (bytes != nullptr) {
    auto decoded = bytes->is_string() ? base64_decode(bytes->as_string()) : std::nullopt;
    if (!decoded || data != nullptr) {
      return refuse(Reason::malformed,
                    data != nullptr ? "both data and data_base64: send one" : "data_base64 is no base64");
    }
    event.data = std::move(*decoded);
    return check_data(event);
  }
  if (data == nullptr) {
    return {};
  }
  if (is_json_type(event.attribute(kContentType))) {
    json::write_to(event.data, *data);
  } else if (data->is_string()) {
    event.data = data->as_string();
  } else {
    return refuse(Reason::malformed, fmt::format("the data is no text although datacontenttype is {}",
                                                 event.attribute(kContentType)));
  }
  return {};
}

Asked<Event> read_object(const json::Value& object) {
  if (!object.is_object()) {
    return refuse(Reason::malformed, "an event in structured mode is a JSON object");
  }
  Event event;
  for (const json::Member& member : object.members()) {
    if (member.key() == "data" || member.key() == "data_base64" || member.value.is_null()) {
      continue;
    }
    auto text = attribute_text(member.value);
    if (!text) {
      return refuse(Reason::malformed, fmt::format("the attribute '{}' is no text, integer or boolean",
                                                   member.key().substr(0, kMaxAttributeName)));
    }
    if (auto added = add(event, std::string(member.key()), std::move(*text)); !added) {
      return std::unexpected(added.error());
    }
  }
  if (auto set = set_data(event, object); !set) {
    return std::unexpected(set.error());
  }
  return event;
}

Asked<json::Value> read_json(std::string_view body) {
  auto value = json::parse(body);
  if (!value) {
    return refuse(value.error().code == Errc::limit ? Reason::too_large : Reason::malformed,
                  "the body is not JSON: " + value.error().message);
  }
  return std::move(*value);
}

Asked<std::vector<Event>> read_batch(std::string_view body) {
  const auto all = read_json(body);
  if (!all) {
    return std::unexpected(all.error());
  }
  if (!all->is_array()) {
    return refuse(Reason::malformed, "a batch is a JSON array of events");
  }
  if (all->size() > kMaxBatchEvents) {
    return refuse(Reason::too_large, fmt::format("a batch has at most {} events", kMaxBatchEvents));
  }
  std::vector<Event> events;
  events.reserve(all->size());
  for (const json::Value& item : all->items()) {
    auto event = read_object(item);
    if (!event) {
      event.error().detail = fmt::format("event {}: {}", events.size(), event.error().detail);
      return std::unexpected(std::move(event.error()));
    }
    events.push_back(std::move(*event));
  }
  return events;
}

Asked<std::vector<Event>> one(Asked<Event> event) {
  if (!event) {
    return std::unexpected(std::move(event.error()));
  }
  std::vector<Event> events;
  events.push_back(std::move(*event));
  return events;
}

}  // namespace

Asked<Event> read_binary_event(std::vector<std::pair<std::string, std::string>> attributes,
                               std::string_view content_type, std::string data) {
  Event event;
  for (auto& [name, value] : attributes) {
    if (auto added = add(event, std::move(name), std::move(value)); !added) {
      return std::unexpected(added.error());
    }
  }
  if (!content_type.empty()) {
    if (auto added = add(event, std::string(kContentType), std::string(content_type)); !added) {
      return std::unexpected(added.error());
    }
  }
  event.data = std::move(data);
  if (auto checked = check_data(event); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return event;
}

Asked<Event> read_structured_event(std::string_view body) {
  const auto object = read_json(body);
  return object ? read_object(*object) : std::unexpected(object.error());
}

bool is_attribute_text(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxAttributeValue && is_plain_text(text);
}

bool is_json_type(std::string_view content_type) noexcept {
  const std::string_view type = media_type(content_type);
  constexpr std::string_view kSuffix = "+json";
  return type.empty() || iequals(type, "application/json") || iequals(type, "text/json") ||
         (type.size() > kSuffix.size() && iequals(type.substr(type.size() - kSuffix.size()), kSuffix));
}

Asked<std::vector<Event>> read_events(const http::Fields& fields, std::string body) {
  const std::string_view content_type = trim(fields.get("Content-Type").value_or(""));
  const std::string_view type = media_type(content_type);
  if (iequals(type, kBatch)) {
    return read_batch(body);
  }
  if (iequals(type, kStructured)) {
    return one(read_structured_event(body));
  }
  if (iequals(type.substr(0, kAnyStructured.size()), kAnyStructured)) {
    return refuse(Reason::malformed,
                  fmt::format("Content-Type {}: events come as {}, as {}, or in binary mode",
                              type.substr(0, 64), kStructured, kBatch));
  }
  return one(read_binary(fields, content_type, std::move(body)));
}

}  // namespace flotilla::events
