#include "flotilla/discovery/core/ip_literal.hpp"

#include <algorithm>

#include "flotilla/base/text.hpp"

namespace flotilla::discovery {
namespace {

std::optional<std::array<std::uint8_t, 4>> parse_dotted(std::string_view text) noexcept {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t dot = i < 3 ? text.find('.') : text.size();
    const std::string_view part = text.substr(0, std::min(dot, text.size()));
    const auto value = parse_int<std::uint8_t>(part);
    if (dot == std::string_view::npos || !value || (part.size() > 1 && part.front() == '0')) {
      return std::nullopt;
    }
    bytes[i] = *value;
    text.remove_prefix(i < 3 ? dot + 1 : dot);
  }
  return bytes;
}

// One group of at most four hexadecimal digits off the front of `text`.
std::optional<std::uint16_t> take_group(std::string_view& text) noexcept {
  std::uint16_t value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && digits < 4 && hex_digit(text[digits]) >= 0) {
    value = static_cast<std::uint16_t>(value * 16 + hex_digit(text[digits]));
    ++digits;
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(value);
}

// Reads groups into `bytes` from the front until `text` ends or `::` comes; the bytes filled, or nothing.
std::optional<std::size_t> take_groups(std::string_view& text, std::array<std::uint8_t, 16>& bytes) noexcept {
  std::size_t filled = 0;
  while (!text.empty() && !text.starts_with("::")) {
    if (filled > 0) {
      if (text.front() != ':') {
        return std::nullopt;
      }
      text.remove_prefix(1);
    }
    if (text.find(':') == std::string_view::npos && text.contains('.')) {
      const auto tail = parse_dotted(text);
      if (!tail || filled > 12) {
        return std::nullopt;
      }
      std::ranges::copy(*tail, bytes.begin() + static_cast<std::ptrdiff_t>(filled));
      text = {};
      return filled + 4;
    }
    const auto group = take_group(text);
    if (!group || filled > 14) {
      return std::nullopt;
    }
    bytes[filled++] = static_cast<std::uint8_t>(*group >> 8U);
    bytes[filled++] = static_cast<std::uint8_t>(*group & 0xffU);
  }
  return filled;
}

std::optional<IpLiteral> parse_ipv6(std::string_view text) noexcept {
  IpLiteral ip{.bytes = {}, .ipv6 = true};
  const auto front = take_groups(text, ip.bytes);
  if (!front) {
    return std::nullopt;
  }
  if (text.empty()) {
    return *front == 16 ? std::optional(ip) : std::nullopt;
  }
  text.remove_prefix(2);
  std::array<std::uint8_t, 16> tail{};
  const auto back = take_groups(text, tail);
  // `::` stands for at least one group.
  if (!back || !text.empty() || *front + *back > 14) {
    return std::nullopt;
  }
  std::copy_n(tail.begin(), *back, ip.bytes.end() - static_cast<std::ptrdiff_t>(*back));
  return ip;
}

}  // namespace

bool IpLiteral::is_any() const noexcept {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

bool IpLiteral::is_loopback() const noexcept {
  if (!ipv6) {
    return bytes[0] == 127;
  }
  return bytes[15] == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool IpLiteral::is_link_local() const noexcept {
  return ipv6 ? bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80U : bytes[0] == 169 && bytes[1] == 254;
}

std::optional<IpLiteral> parse_ip(std::string_view text) noexcept {
  if (const auto dotted = parse_dotted(text)) {
    IpLiteral ip;
    std::ranges::copy(*dotted, ip.bytes.begin());
    return ip;
  }
  auto ip = parse_ipv6(text);
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (ip && std::equal(mapped.begin(), mapped.end(), ip->bytes.begin())) {
    IpLiteral inner;
    std::copy_n(ip->bytes.begin() + 12, 4, inner.bytes.begin());
    return inner;
  }
  return ip;
}

}  // namespace flotilla::discovery
