// Small text helpers for protocols: ASCII case, trimming, numbers, the nearest name for a hint.
//
// Nothing here knows a locale. Views returned point into the argument.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace flotilla {

[[nodiscard]] constexpr char ascii_lower(char c) noexcept {
  return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + ('a' - 'A')) : c;
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
// The value of a hexadecimal digit in either case, or -1.
[[nodiscard]] constexpr int hex_digit(char c) noexcept {
  const char lower = ascii_lower(c);
  return is_digit(c) ? c - '0' : (lower >= 'a' && lower <= 'f') ? lower - 'a' + 10 : -1;
}

// Equal but for the case of ASCII letters.
[[nodiscard]] constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != ascii_lower(b[i])) {
      return false;
    }
  }
  return true;
}

[[nodiscard]] std::string to_lower(std::string_view text);

// Without leading and trailing spaces and tabs.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

// The whole of `text` as a decimal number of type Int; no sign for unsigned types, no blanks.
template <class Int>
[[nodiscard]] std::optional<Int> parse_int(std::string_view text) noexcept {
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

// The candidate within two edits (insert, delete, replace, swap) of `name`, for "did you mean"; or
// nothing. Cost: names over 64 characters are not compared.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view name,
                                                      std::span<const std::string_view> candidates);

}  // namespace flotilla
