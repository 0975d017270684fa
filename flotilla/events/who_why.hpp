// The body of an operator's verb, read: its members, and who asks for it and why, which is kept beside it.
//
// Ownership: values. Threads: pure functions. Limits: kMaxWho and kMaxWhy bytes, no control characters, so
// that a line of the log stays one line.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "flotilla/events/core/refusal.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxWho = 128;
inline constexpr std::size_t kMaxWhy = 1024;

struct WhoWhy {
  std::string who;
  std::string why;
};

// Errors: malformed (no JSON), invalid (no object, a member that is none of `known`, with the nearest one).
[[nodiscard]] Asked<json::Value> read_members(std::string_view text,
                                              std::initializer_list<std::string_view> known);
// A text of 1 to `most` bytes; empty where it is not there and not required. Error: invalid.
[[nodiscard]] Asked<std::string> take_text(const json::Value& body, std::string_view member, std::size_t most,
                                           bool required);
// Of a body that has nothing but these; both are required.
[[nodiscard]] Asked<WhoWhy> read_who_why(std::string_view text);

}  // namespace flotilla::events
