// Numbers as text: the JSON grammar, exact comparison, and reading as an integer.
//
// For: json::Value, the reader, the expression language, JSON Schema. A number is its text; nothing is lost
// by passing it on. Ownership, threads: pure functions. Limits: exponents of at most kExponentDigits digits.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flotilla::json {

inline constexpr std::size_t kExponentDigits = 9;

// Length of the JSON number (RFC 8259, section 6) that `text` starts with; 0 if it starts with none, or with
// one whose exponent has more than kExponentDigits digits.
[[nodiscard]] std::size_t scan_number(std::string_view text) noexcept;

// Whether all of `text` is one JSON number.
[[nodiscard]] inline bool is_number(std::string_view text) noexcept {
  return !text.empty() && scan_number(text) == text.size();
}

// Exact comparison of two numbers by value, of any length: 1 == 1.0 == 10e-1. Both must satisfy is_number.
[[nodiscard]] std::strong_ordering compare_numbers(std::string_view a, std::string_view b) noexcept;

// The value where it is integral and fits in 64 bits ("12", "1.0", "1e3"), else nothing.
[[nodiscard]] std::optional<std::int64_t> number_to_int(std::string_view text) noexcept;

}  // namespace flotilla::json
