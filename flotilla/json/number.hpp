// Numbers as text: the JSON grammar, exact comparison, and reading as an integer.
//
// For: json::Value, the reader, the expression language, JSON Schema. A number is its text; nothing is lost
// by passing it on. Ownership, threads: pure functions. Limits: exponents of at most kExponentDigits digits.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "flotilla/base/random.hpp"

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

// Whether the value has no fraction, whatever its size: "12", "1.0", "1e400". `text` must satisfy is_number.
[[nodiscard]] bool is_integral(std::string_view text) noexcept;

// A positive number that asks of others whether they are whole multiples of it, exactly, on the decimals as
// written: 0.0075 is a multiple of 0.0001.
class Divisor {
 public:
  static constexpr int kDigits = 34;

  // Nothing where the number is not above zero or has more than kDigits significant digits. `text` must
  // satisfy is_number.
  [[nodiscard]] static std::optional<Divisor> parse(std::string_view text) noexcept;

  // `text` must satisfy is_number; of any length, in one pass.
  [[nodiscard]] bool divides(std::string_view text) const noexcept;

 private:
  // The value is coefficient_ * 10^exponent_, without trailing zeros in coefficient_.
  Uint128 coefficient_ = 1;
  std::int64_t exponent_ = 0;
};

}  // namespace flotilla::json
