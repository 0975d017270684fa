#include "flotilla/discovery/core/probe_target.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::discovery {
namespace {

template <class T>
bool holds(const std::vector<T>& list, const T& wanted) {
  return std::ranges::find(list, wanted) != list.end();
}

}  // namespace

TargetGuard::TargetGuard(std::vector<std::uint16_t> control_ports,
                         const std::vector<std::string>& own_addresses)
    : control_ports_(std::move(control_ports)) {
  for (const std::string& text : own_addresses) {
    if (const auto ip = parse_ip(text)) {
      own_addresses_.push_back(*ip);
    }
  }
}

Result<> TargetGuard::check_address(std::string_view host) {
  const auto ip = parse_ip(host);
  if (ip && ip->is_any()) {
    return fail(Errc::invalid,
                fmt::format("Invalid service address: '{}' names every address, not one", host));
  }
  if (ip && ip->is_link_local()) {
    return fail(
        Errc::invalid,
        fmt::format("Invalid service address: '{}' is link-local, which is never reached from here", host));
  }
  return {};
}

Result<> TargetGuard::check_host(std::string_view host, std::uint16_t port) const {
  const auto ip = parse_ip(host);
  if (ip && (ip->is_any() || ip->is_link_local())) {
    return fail(Errc::invalid, fmt::format("'{}' is {} and is not probed", host,
                                           ip->is_any() ? "an any-address" : "a link-local address"));
  }
  const bool ours = ip ? ip->is_loopback() || holds(own_addresses_, *ip) : iequals(host, "localhost");
  if (ours && holds(control_ports_, port)) {
    return fail(Errc::invalid,
                fmt::format("'{}:{}' is a control port of this registry's own process and is not "
                            "probed",
                            host, port));
  }
  return {};
}

}  // namespace flotilla::discovery
