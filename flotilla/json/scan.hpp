// The small scanners that the reader and the checker share, so that both accept the same texts. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace flotilla::json {

// The first position from `at` on that is not a space, tab, line feed or carriage return.
[[nodiscard]] inline std::size_t skip_whitespace(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r')) {
    ++at;
  }
  return at;
}

// The first position from `at` on that is a quote, a backslash, a control character or above ASCII.
// Eight bytes at a time: a byte's high bit is set where x - 0x20 borrows, where x ^ quote or
// x ^ backslash minus 1 borrows, or where x has it itself (Mycroft's zero-byte test; the lowest hit is
// exact).
[[nodiscard]] inline std::size_t skip_plain(std::string_view text, std::size_t at) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101ULL;
  constexpr std::uint64_t highs = 0x8080808080808080ULL;
  while (at + 8 <= text.size()) {
    std::uint64_t x = 0;
    std::memcpy(&x, text.data() + at, 8);
    const std::uint64_t quote = (x ^ (ones * '"')) - ones;
    const std::uint64_t backslash = (x ^ (ones * '\\')) - ones;
    const std::uint64_t control = x - ones * 0x20;
    const std::uint64_t hits = (quote | backslash | control | x) & highs;
    if (hits != 0) {
      return at + static_cast<std::size_t>(__builtin_ctzll(hits)) / 8;
    }
    at += 8;
  }
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '"' || byte == '\\' || byte < 0x20 || byte >= 0x80) {
      break;
    }
    ++at;
  }
  return at;
}

struct Escape {
  std::size_t length;  // bytes it takes, 0 if it is no JSON escape; \ud83d\ude00 is one of 12 bytes
  std::uint32_t code;  // the code point it stands for
};

// The escape at `at`, where a backslash stands. Half a surrogate pair is no escape: it has no UTF-8 form.
[[nodiscard]] inline Escape scan_escape(std::string_view text, std::size_t at) noexcept {
  const auto hex4 = [&](std::size_t from) -> std::uint32_t {
    std::uint32_t value = 0;
    for (std::size_t i = from; i < from + 4; ++i) {
      const char c = i < text.size() ? text[i] : '\0';
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<std::uint32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        value = value * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
      } else {
        return UINT32_MAX;
      }
    }
    return value;
  };
  switch (at + 1 < text.size() ? text[at + 1] : '\0') {
    case '"':
      return {2, '"'};
    case '\\':
      return {2, '\\'};
    case '/':
      return {2, '/'};
    case 'b':
      return {2, '\b'};
    case 'f':
      return {2, '\f'};
    case 'n':
      return {2, '\n'};
    case 'r':
      return {2, '\r'};
    case 't':
      return {2, '\t'};
    case 'u':
      break;
    default:
      return {0, 0};
  }
  const std::uint32_t high = hex4(at + 2);
  if (high == UINT32_MAX || (high >= 0xdc00 && high < 0xe000)) {
    return {0, 0};
  }
  if (high < 0xd800 || high >= 0xe000) {
    return {6, high};
  }
  const bool pair = at + 7 < text.size() && text[at + 6] == '\\' && text[at + 7] == 'u';
  const std::uint32_t low = pair ? hex4(at + 8) : 0;
  if (low < 0xdc00 || low >= 0xe000) {
    return {0, 0};
  }
  return {12, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)};
}

}  // namespace flotilla::json
