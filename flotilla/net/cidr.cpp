#include "flotilla/net/cidr.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::net {

Result<> CidrSet::add(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = SocketAddress::from_ip(text.substr(0, slash), 0);
  if (!base) {
    return fail(Errc::invalid,
                fmt::format("'{}' is not a network: write ADDRESS/BITS, such as 10.0.0.0/8", text));
  }
  const unsigned most = base->is_ipv6() ? 128 : 32;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const auto given = parse_int<unsigned>(text.substr(slash + 1));
    if (!given || *given > most) {
      return fail(Errc::invalid, fmt::format("'{}': the bits behind the slash must be 0..{}", text, most));
    }
    bits = *given;
  }
  networks_.push_back({*base, bits});
  return {};
}

bool CidrSet::contains(const SocketAddress& address) const noexcept {
  return std::ranges::any_of(networks_, [&](const Network& network) {
    const std::string_view a = network.base.bytes();
    const std::string_view b = address.bytes();
    if (a.size() != b.size()) {
      return false;
    }
    const std::size_t whole = network.bits / 8;
    const unsigned rest = network.bits % 8;
    if (a.substr(0, whole) != b.substr(0, whole)) {
      return false;
    }
    return rest == 0 || (static_cast<unsigned char>(a[whole]) >> (8 - rest)) ==
                            (static_cast<unsigned char>(b[whole]) >> (8 - rest));
  });
}

}  // namespace flotilla::net
