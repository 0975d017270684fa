// The envelope of an event: CloudEvents 1.0 context attributes and the data, as the body of a record.
//
// For: everything that publishes (sagas, aggregates, the API) and everything that reads topics. A topic is a
// category of RecordClass::topic; its records have type kEventRecord. The record's time is when it was
// published; an attribute `time` is the producer's.
// Ownership: values. Threads: pure functions. Limits: kMaxBody of journal/core/record.hpp, as a whole;
// kMaxEventAttributes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

inline constexpr std::uint16_t kEventRecord = 1;
inline constexpr std::size_t kMaxEventAttributes = 64;

struct Event {
  // In the order of the producer, each name once: id, source, type, subject, datacontenttype, ...; without
  // specversion, which is always 1.0.
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string data;  // as the content type says; application/json where none stands

  // Empty where there is none.
  [[nodiscard]] std::string_view attribute(std::string_view name) const noexcept;
};

[[nodiscard]] std::string encode(const Event& event);
// Errors: invalid (damaged), limit.
[[nodiscard]] Result<Event> decode_event(std::string_view body);

}  // namespace flotilla::journal
