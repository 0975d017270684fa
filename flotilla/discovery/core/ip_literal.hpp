// Literal IPv4 and IPv6 addresses as bytes, for a core that must judge them and may not use sockets.
//
// For: probe targets and tagged addresses. Grammar: dotted decimal of four parts without leading zeros;
// RFC 4291 2.2 text with at most one `::` and an optional dotted tail; no zone, no brackets.
// An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is given as the IPv4 address it reaches.
// Ownership: values. Threads: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace flotilla::discovery {

struct IpLiteral {
  std::array<std::uint8_t, 16> bytes{};  // IPv4: the first four
  bool ipv6 = false;

  [[nodiscard]] bool is_any() const noexcept;         // 0.0.0.0, ::
  [[nodiscard]] bool is_loopback() const noexcept;    // 127.0.0.0/8, ::1
  [[nodiscard]] bool is_link_local() const noexcept;  // 169.254.0.0/16, fe80::/10
  friend bool operator==(const IpLiteral&, const IpLiteral&) = default;
};

// Nothing for a host name.
[[nodiscard]] std::optional<IpLiteral> parse_ip(std::string_view text) noexcept;

}  // namespace flotilla::discovery
