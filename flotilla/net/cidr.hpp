// Sets of networks, such as `trusted_proxies: [10.0.0.0/8]`.
#pragma once

#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::net {

class CidrSet {
 public:
  // "10.0.0.0/8", "fd00::/8", or one address. Errors name the text.
  [[nodiscard]] Result<> add(std::string_view text);
  // IPv4 and IPv6 are never equal, mapped addresses (::ffff:a.b.c.d) count as IPv6.
  [[nodiscard]] bool contains(const SocketAddress& address) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return networks_.empty(); }

 private:
  struct Network {
    SocketAddress base;
    unsigned bits = 0;
  };
  std::vector<Network> networks_;
};

}  // namespace flotilla::net
