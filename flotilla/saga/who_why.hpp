// Who does something to a saga, and why: what is journalled beside every verb of a person.
//
// Ownership: values. Threads: pure functions. Limits: kMaxWho and kMaxWhy bytes, no control characters, so
// that a line of the log stays one line.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kMaxWho = 128;
inline constexpr std::size_t kMaxWhy = 1024;
inline constexpr std::size_t kMaxCorrelation = 128;

struct WhoWhy {
  std::string who;  // empty: nobody said
  std::string why;
};

// Takes `who` and `why` of a request's body into `into`; what the body does not name stays. Errors: invalid
// (no object, another type, too long, a control character).
[[nodiscard]] Asked<std::monostate> read_who_why(const json::Value& body, WhoWhy& into);

// Error: invalid, naming the first member that is none of `known`.
[[nodiscard]] Asked<std::monostate> refuse_other_members(const json::Value& body,
                                                         std::initializer_list<std::string_view> known);

// A Correlation-Id that can be kept and shown as it is: visible ASCII of at most kMaxCorrelation characters.
// Anything else names no transaction: empty.
[[nodiscard]] std::string correlation_of(std::string_view header);

}  // namespace flotilla::saga
