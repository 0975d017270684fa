// What a control port refuses before it looks at a request: what a web page could make a browser send, and
// who lacks the token.
//
// For: the ports that operate the platform (8001, 8500, 9900, 9901). They bind to loopback, where every page
// in the user's browser reaches them: by a name that resolves to 127.0.0.1 (DNS rebinding; the Host is then
// foreign), or by requests across origins that need no preflight (form posts; the Origin is then foreign).
// Ownership: owns its options. Threads: pure, any.
// The token is compared in time that depends on the length of what was sent, not on the token.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/reason.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::admin {

struct ControlGuardOptions {
  std::string listen_ip = "127.0.0.1";  // the port's address: allowed as Host; 0.0.0.0 and ::, any address
  std::vector<std::string> hosts;       // further names it is reached by, without ports
  std::string token;                    // empty: none is asked for
  bool consul_token = false;            // also take X-Consul-Token and ?token=, as Consul's clients send it
};

struct ControlRefusal {
  Reason reason = Reason::forbidden;  // forbidden (403), or unauthenticated (401)
  std::string detail;                 // names what was refused and the way out; never the token
};

class ControlGuard {
 public:
  explicit ControlGuard(ControlGuardOptions options);

  // Nothing if the request may go on. The Host header is HOST[:PORT] of the request's authority.
  [[nodiscard]] std::optional<ControlRefusal> check(const http::Request& request) const;
  // The part of `check` that asks for no token: for what anybody may see, such as /healthz.
  [[nodiscard]] std::optional<ControlRefusal> check_origin(const http::Request& request) const;

 private:
  [[nodiscard]] bool is_own_host(std::string_view host) const;
  [[nodiscard]] bool has_token(const http::Request& request) const;

  ControlGuardOptions options_;
};

}  // namespace flotilla::admin
