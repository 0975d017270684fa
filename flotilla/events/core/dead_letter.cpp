#include "flotilla/events/core/dead_letter.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

using journal::Event;

constexpr std::string_view kPrefix = "deadletter";
// What every event has, and what is kept of one whose attributes do not all fit.
constexpr std::array<std::string_view, 9> kOwn{"id",           "source",        "type",
                                               "subject",      "time",          "datacontenttype",
                                               "partitionkey", "correlationid", "causationid"};

std::string millis_text(std::int64_t millis) { return iso_time({millis * 1'000'000}); }

bool fits(const Event& event) {
  return event.attributes.size() <= journal::kMaxEventAttributes && encode(event).size() <= journal::kMaxBody;
}

// Leaves out what is least missed until it fits.
void shrink(Event& event) {
  if (fits(event)) {
    return;
  }
  std::erase_if(event.attributes, [](const auto& each) { return each.first == "deadletterbody"; });
  if (fits(event)) {
    return;
  }
  std::erase_if(event.attributes, [](const auto& each) {
    return std::ranges::find(kOwn, each.first) == kOwn.end() && !each.first.starts_with(kPrefix);
  });
  if (fits(event)) {
    return;
  }
  event.data.clear();
  event.attributes.emplace_back("deadletterdata", "left-out");
}

// The head of an event that this one causes.
Event caused_by(const Event& original, const DeliveryOrigin& origin, std::string_view type,
                std::string_view outcome) {
  Event event;
  event.attributes = {{"id", fmt::format("{}/{}", origin.position.text(), outcome)},
                      {"source", fmt::format("/subscriptions/{}", origin.subscription)},
                      {"type", std::string(type)},
                      {"datacontenttype", "application/json"}};
  for (const std::string_view name : {"subject", "partitionkey", "traceparent", "tracestate"}) {
    if (const std::string_view value = original.attribute(name); !value.empty()) {
      event.attributes.emplace_back(name, value);
    }
  }
  const std::string_view correlation = original.attribute("correlationid");
  event.attributes.emplace_back("correlationid",
                                correlation.empty() ? original.attribute("id") : correlation);
  event.attributes.emplace_back("causationid", original.attribute("id"));
  return event;
}

// As JSON: what it is, or else the text.
json::Value value_of(std::string_view bytes) {
  if (auto value = json::parse(bytes)) {
    return *std::move(value);
  }
  return bytes.empty() ? json::Value() : json::Value(attribute_text(bytes, bytes.size()));
}

}  // namespace

std::string_view to_string(DeadReason reason) noexcept {
  constexpr std::array<std::string_view, kDeadReasons> names{"refused", "exhausted", "parked", "broken"};
  return names[static_cast<std::size_t>(reason)];
}

std::string attribute_text(std::string_view text, std::size_t most) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = json::utf8_sequence(text, at);
    const auto first = static_cast<unsigned char>(text[at]);
    const std::string_view piece = length == 0 ? std::string_view("\xef\xbf\xbd")
                                   : length == 1 && (first < 0x20 || first == 0x7f) ? std::string_view(" ")
                                                                                    : text.substr(at, length);
    if (out.size() + piece.size() > most) {
      break;
    }
    out += piece;
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

Event dead_letter_of(const Event& original, const DeliveryOrigin& origin, const FailedDelivery& failed) {
  Event event = original;
  // Of an event that was a dead letter before: this one says what is true now.
  std::erase_if(event.attributes, [](const auto& each) { return each.first.starts_with(kPrefix); });
  const auto add = [&event](std::string_view name, std::string value) {
    if (!value.empty()) {
      event.attributes.emplace_back(fmt::format("{}{}", kPrefix, name), std::move(value));
    }
  };
  add("group", std::string(origin.subscription));
  add("topic", std::string(origin.topic));
  add("position", origin.position.text());
  add("reason", std::string(to_string(failed.reason)));
  add("code", failed.code);
  add("body", attribute_text(failed.body, kMaxErrorBody));
  add("attempts", std::to_string(failed.attempts));
  if (failed.attempts > 0) {
    add("first", millis_text(failed.first));
    add("last", millis_text(failed.last));
  }
  shrink(event);
  return event;
}

Event success_of(const Event& original, const DeliveryOrigin& origin, std::string_view type,
                 std::string_view answer) {
  Event event = caused_by(original, origin, type, "success");
  if (answer.size() <= kMaxAnswer) {
    if (const auto value = json::parse(answer); value && value->is_object()) {
      event.data = answer;
      return event;
    }
  }
  event.data = original.data;
  if (const std::string_view content = original.attribute("datacontenttype"); !content.empty()) {
    event.attributes[3].second = content;
  }
  return event;
}

Event failure_of(const Event& original, const DeliveryOrigin& origin, std::string_view type,
                 std::uint16_t status, std::string_view answer) {
  Event event = caused_by(original, origin, type, "failure");
  json::Value data = value_of(original.data);
  if (!data.is_object()) {
    data = json::Value::object({{"data", data}});
  }
  json::Value error = json::Value::object({{"status", status}, {"body", value_of(answer)}});
  data.set("error", error);
  event.data = json::write(data);
  if (!fits(event)) {
    error.set("body", nullptr);
    data.set("error", error);
    event.data = json::write(data);
  }
  if (!fits(event)) {
    event.data = json::write(json::Value::object({{"data", nullptr}, {"error", error}}));
  }
  return event;
}

}  // namespace flotilla::events
