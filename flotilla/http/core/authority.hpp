// HOST[:PORT] of request targets and Host fields (RFC 3986 3.2, RFC 9110 7.2).
//
// Ownership: views into the argument. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flotilla::http {

struct Authority {
  std::string_view host;  // as written, without port and without one trailing dot; IPv6 in brackets
  std::optional<std::uint16_t> port;
};
// HOST[:PORT] with HOST a name (letters, digits, '-', '.', '_', '~'; no empty label), an IPv4 or a
// bracketed IPv6 address. No userinfo, no percent-encoding. An empty text gives an empty host.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text) noexcept;

// An IPv6 address without brackets and zone.
[[nodiscard]] bool is_ipv6(std::string_view text) noexcept;

}  // namespace flotilla::http
