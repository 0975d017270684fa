// An IPv4 or IPv6 address with a port, comparable and hashable: what sockets connect to and listen on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "flotilla/base/error.hpp"

namespace flotilla::net {

class SocketAddress {
 public:
  SocketAddress() = default;

  // "127.0.0.1:80" or "[::1]:80"; names are not resolved here.
  [[nodiscard]] static Result<SocketAddress> parse(std::string_view text);
  // A literal address ("127.0.0.1", "::1") and a port.
  [[nodiscard]] static Result<SocketAddress> from_ip(std::string_view ip, std::uint16_t port);
  [[nodiscard]] static SocketAddress from_system(const sockaddr* address, socklen_t length) noexcept;

  [[nodiscard]] bool is_ipv6() const noexcept { return ipv6_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] bool is_loopback() const noexcept;
  // "127.0.0.1", "::1"
  [[nodiscard]] std::string ip() const;
  // "127.0.0.1:80", "[::1]:80"
  [[nodiscard]] std::string to_string() const;
  // The 4 or 16 address bytes in network order.
  [[nodiscard]] std::string_view bytes() const noexcept;

  // For system calls; returns the length.
  socklen_t to_system(sockaddr_storage& storage) const noexcept;

  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;

 private:
  std::array<char, 16> bytes_{};
  std::uint16_t port_ = 0;
  bool ipv6_ = false;
};

}  // namespace flotilla::net

template <>
struct std::hash<flotilla::net::SocketAddress> {
  std::size_t operator()(const flotilla::net::SocketAddress& address) const noexcept {
    return std::hash<std::string_view>{}(address.bytes()) * 31 + address.port();
  }
};
