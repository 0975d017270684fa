#include "flotilla/events/core/kafka_message.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/events/core/cloud_event.hpp"
#include "flotilla/json/check.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::events {
namespace {

using journal::Event;
using journal::kafka::Incoming;
using journal::kafka::Outgoing;

constexpr std::string_view kPrefix = "ce_";
constexpr std::string_view kVersion = "ce_specversion";
constexpr std::string_view kContentTypeHeader = "content-type";
constexpr std::string_view kStructured = "application/cloudevents+json";

std::string_view header(const Incoming& message, std::string_view name) {
  const auto found =
      std::ranges::find_if(message.headers, [&](const auto& each) { return iequals(each.first, name); });
  return found == message.headers.end() ? std::string_view() : std::string_view(found->second);
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = json::utf8_sequence(text, at);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

std::string_view guess_type(std::string_view value) {
  return !json::find_fault(value) ? "application/json"
         : is_utf8(value)         ? "text/plain"
                                  : "application/octet-stream";
}

// What every event needs whose own words are not enough.
Event wrap(Incoming message) {
  Event event;
  const auto set = [&event](std::string_view name, std::string_view value) {
    if (is_attribute_text(value)) {
      event.attributes.emplace_back(name, value);
    }
  };
  set("id", fmt::format("{}/{}/{}{}", message.topic, message.partition, message.offset,
                        message.timestamp_ms >= 0 ? fmt::format("/{}", message.timestamp_ms) : ""));
  set("source", "/kafka/" + message.topic);
  set("type", message.topic);
  if (message.timestamp_ms >= 0) {
    set("time", iso_time({message.timestamp_ms * 1'000'000}));
  }
  if (!message.value.empty()) {
    const std::string_view said = trim(header(message, kContentTypeHeader));
    const bool holds = is_attribute_text(said) && (!is_json_type(said) || !json::find_fault(message.value));
    set("datacontenttype", holds ? said : guess_type(message.value));
  }
  for (const char* const name : {"correlationid", "causationid"}) {
    set(name, header(message, name));
  }
  if (const std::string_view trace = header(message, "traceparent"); telemetry::parse_traceparent(trace)) {
    set("traceparent", trace);
  }
  set("partitionkey", message.key.value_or(""));
  event.data = std::move(message.value);
  return event;
}

// The attributes of binary mode. `specversion` among them is checked by whoever reads them.
std::vector<std::pair<std::string, std::string>> attributes_of(const Incoming& message) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, value] : message.headers) {
    if (name.size() > kPrefix.size() && iequals(std::string_view(name).substr(0, kPrefix.size()), kPrefix)) {
      found.emplace_back(to_lower(std::string_view(name).substr(kPrefix.size())), value);
    }
  }
  return found;
}

}  // namespace

Outgoing to_kafka(std::string topic, const Event& event, std::string_view group) {
  Outgoing out{.topic = std::move(topic), .key = {}, .value = event.data, .headers = {}};
  out.headers.reserve(event.attributes.size() + 2);
  out.headers.emplace_back(kVersion, "1.0");
  for (const auto& [name, value] : event.attributes) {
    if (name == "datacontenttype") {
      out.headers.emplace_back(kContentTypeHeader, value);
    } else {
      out.headers.emplace_back(std::string(kPrefix) + name, value);
    }
  }
  out.headers.emplace_back(kGroupHeader, group);
  if (const std::string_view key = event.attribute("partitionkey"); !key.empty()) {
    out.key = key;
  }
  return out;
}

ReceivedEvent from_kafka(Incoming message, std::string_view group) {
  if (header(message, kGroupHeader) == group) {
    return {.kind = ReceivedEvent::Kind::echo, .event = {}, .why = {}};
  }
  const std::string_view type = trim(header(message, kContentTypeHeader));
  const bool structured = iequals(trim(type.substr(0, type.find(';'))), kStructured);
  if (!structured && header(message, kVersion).empty()) {
    return {.kind = ReceivedEvent::Kind::wrapped, .event = wrap(std::move(message)), .why = {}};
  }
  auto event = structured ? read_structured_event(message.value)
                          : read_binary_event(attributes_of(message), type, message.value);
  const auto unreadable = [&](std::string why) {
    return ReceivedEvent{
        .kind = ReceivedEvent::Kind::unreadable, .event = wrap(std::move(message)), .why = std::move(why)};
  };
  if (!event) {
    return unreadable(std::move(event.error().detail));
  }
  for (const char* const name : {"id", "source", "type"}) {
    if (event->attribute(name).empty()) {
      return unreadable(fmt::format("the attribute '{}' is missing", name));
    }
  }
  if (event->attribute("partitionkey").empty() && message.key && is_attribute_text(*message.key)) {
    event->attributes.emplace_back("partitionkey", *message.key);
  }
  return {.kind = ReceivedEvent::Kind::event, .event = std::move(*event), .why = {}};
}

}  // namespace flotilla::events
