// UTF-8 (RFC 3629): one well-formed sequence at a time. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flotilla::json {

// Bytes of the well-formed sequence at `at` (1..4); 0 if there is none: no overlong forms, no surrogates,
// nothing above U+10FFFF. Asserts nothing; at >= size() gives 0.
[[nodiscard]] inline std::size_t utf8_sequence(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const std::uint32_t first = byte(0);
  if (first < 0x80) {
    return at < text.size() ? 1 : 0;
  }
  if (first < 0xc2 || first > 0xf4 || !continues(1)) {
    return 0;
  }
  if (first < 0xe0) {
    return 2;
  }
  if (!continues(2)) {
    return 0;
  }
  if (first < 0xf0) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) >= 0xa0;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = first == 0xf0 && byte(1) < 0x90;
  const bool beyond = first == 0xf4 && byte(1) >= 0x90;
  return !continues(3) || overlong || beyond ? 0 : 4;
}

// Appends the code point (below 0x110000).
inline void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0U | (code >> 6));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0U | (code >> 12));
    out += static_cast<char>(0x80U | ((code >> 6) & 0x3fU));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  } else {
    out += static_cast<char>(0xf0U | (code >> 18));
    out += static_cast<char>(0x80U | ((code >> 12) & 0x3fU));
    out += static_cast<char>(0x80U | ((code >> 6) & 0x3fU));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  }
}

}  // namespace flotilla::json
