// Which addresses a registration may name and a health check may reach.
//
// For: whoever may register makes us send requests, so targets are judged twice: the text at registration
// (a precise refusal), and every resolved address just before a probe connects (a name may resolve to
// anything, and differently each time).
// Rules: never link-local (169.254.0.0/16 holds the cloud's credentials service, fe80::/10), never an
// any-address, never a control port of this process on this machine (loopback or the node's address): a
// check with a chosen method, path and body would otherwise operate the platform. Loopback is fine otherwise.
// Ownership: owns its lists. Threads: immutable after construction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/discovery/core/ip_literal.hpp"

namespace flotilla::discovery {

class TargetGuard {
 public:
  // `own_addresses`: literal addresses of this machine besides loopback.
  TargetGuard(std::vector<std::uint16_t> control_ports, const std::vector<std::string>& own_addresses);

  // A host as registered: a literal address is judged, a name passes (but `localhost`).
  // Errc::invalid with a sentence that names the host and the rule.
  [[nodiscard]] Result<> check_host(std::string_view host, std::uint16_t port) const;
  // An instance's address. The port is not judged: answering there is up to the instance's callers.
  [[nodiscard]] static Result<> check_address(std::string_view host);

 private:
  std::vector<std::uint16_t> control_ports_;
  std::vector<IpLiteral> own_addresses_;
};

}  // namespace flotilla::discovery
