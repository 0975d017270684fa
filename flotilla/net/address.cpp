#include "flotilla/net/address.hpp"

#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include "flotilla/base/text.hpp"

namespace flotilla::net {

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(Errc::invalid, fmt::format("'{}' has no port: write HOST:PORT", text));
  }
  std::string_view host = text.substr(0, colon);
  const auto port = parse_int<std::uint16_t>(text.substr(colon + 1));
  if (!port) {
    return fail(Errc::invalid, fmt::format("'{}' does not end in a port of 0..65535", text));
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return from_ip(host, *port);
}

Result<SocketAddress> SocketAddress::from_ip(std::string_view ip, std::uint16_t port) {
  SocketAddress address;
  address.port_ = port;
  const std::string text(ip);
  if (::inet_pton(AF_INET, text.c_str(), address.bytes_.data()) == 1) {
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes_.data()) == 1) {
    address.ipv6_ = true;
    return address;
  }
  return fail(Errc::invalid, fmt::format("'{}' is not an IPv4 or IPv6 address", ip));
}

SocketAddress SocketAddress::from_system(const sockaddr* system, socklen_t) noexcept {
  SocketAddress address;
  if (system->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, system, sizeof in);
    std::memcpy(address.bytes_.data(), &in.sin_addr, 4);
    address.port_ = ntohs(in.sin_port);
  } else if (system->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, system, sizeof in);
    std::memcpy(address.bytes_.data(), &in.sin6_addr, 16);
    address.port_ = ntohs(in.sin6_port);
    address.ipv6_ = true;
  }
  return address;
}

bool SocketAddress::is_loopback() const noexcept {
  if (!ipv6_) {
    return bytes_[0] == 127;
  }
  constexpr std::array<char, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == kLoopback;
}

std::string SocketAddress::ip() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(ipv6_ ? AF_INET6 : AF_INET, bytes_.data(), text.data(), text.size());
  return text.data();
}

std::string SocketAddress::to_string() const {
  return ipv6_ ? fmt::format("[{}]:{}", ip(), port_) : fmt::format("{}:{}", ip(), port_);
}

std::string_view SocketAddress::bytes() const noexcept { return {bytes_.data(), ipv6_ ? 16U : 4U}; }

socklen_t SocketAddress::to_system(sockaddr_storage& storage) const noexcept {
  storage = {};
  if (ipv6_) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port_);
    std::memcpy(&in.sin6_addr, bytes_.data(), 16);
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port_);
  std::memcpy(&in.sin_addr, bytes_.data(), 4);
  std::memcpy(&storage, &in, sizeof in);
  return sizeof in;
}

}  // namespace flotilla::net
