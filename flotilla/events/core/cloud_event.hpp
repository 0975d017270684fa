// CloudEvents 1.0 as HTTP carries them: reading a publication in any of the three modes.
//
//   binary      context attributes as ce-* fields (percent-encoded), the body is the data
//   structured  application/cloudevents+json: one JSON object with attributes and data
//   batch       application/cloudevents-batch+json: an array of them
//
// A request without ce-* fields is an event in binary mode too, of which nothing but the data is said; what
// is missing is filled in afterwards (completion.hpp). Read strictly: an attribute that is named twice, has
// another name than the standard allows, a control character or no value, another specversion, data that is
// not JSON although it says so; each is refused with the event's number and the attribute's name. Ownership:
// values. Threads: pure functions. Limits: below; a body's size is the server's to bound.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/events/core/refusal.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxBatchEvents = 1000;
// Given by a producer; some more are filled in (journal::kMaxEventAttributes bounds all).
inline constexpr std::size_t kMaxAttributes = 48;
inline constexpr std::size_t kMaxAttributeName = 64;
inline constexpr std::size_t kMaxAttributeValue = 4096;  // bytes

// The events in their order, as the producer sent them, without specversion. Errors: malformed, too_large
// (events, attributes, nesting).
[[nodiscard]] Asked<std::vector<journal::Event>> read_events(const http::Fields& fields, std::string body);

// One event of a carrier that is not HTTP, from its attributes as they are meant. Errors: as above.
[[nodiscard]] Asked<journal::Event> read_binary_event(
    std::vector<std::pair<std::string, std::string>> attributes, std::string_view content_type,
    std::string data);
// One in CloudEvents' JSON format.
[[nodiscard]] Asked<journal::Event> read_structured_event(std::string_view body);
// Whether an attribute may have that value: UTF-8 without control characters, not empty, not too long.
[[nodiscard]] bool is_attribute_text(std::string_view text) noexcept;

// Whether data of that content type is JSON; so it is where none stands.
[[nodiscard]] bool is_json_type(std::string_view content_type) noexcept;

}  // namespace flotilla::events
