// The management API: what a Platform reports and does, over HTTP on the admin port.
//
//   GET  /healthz, /readyz, /metrics
//   GET  /api/v1/services
//   GET  /api/v1/routes[?gateway=]                 with url= (and method=): which route takes it, and why
//   GET  /api/v1/breakers, /api/v1/breakers/{service}
//   POST /api/v1/breakers/{service}/force-open|close|auto
//   GET  /api/v1/config
//   POST /api/v1/config/reload
//   GET  /api/v1/explain/{service}
//
//   and the APIs that are mounted below a prefix of their own, such as /api/v1/sagas
//
// Lists are {"items":[...],"next":null}; errors are problem+json (DESIGN 4.4). ControlGuard stands before
// everything, its token before everything but /healthz and /readyz, which probes ask without one.
// Every change is logged with the address it came from.
// Ownership: borrows the platform, which must outlive it. Threads: one loop's. Limits: those of the server.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/admin/core/control_guard.hpp"
#include "flotilla/admin/platform.hpp"
#include "flotilla/base/counter.hpp"
#include "flotilla/http/api_server.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::admin {

class AdminApi {
 public:
  AdminApi(Platform& platform, ControlGuardOptions guard) : platform_(platform), guard_(std::move(guard)) {}

  // Requests to `prefix` and below it go to `handler`, once the guard has let them pass.
  void mount(std::string prefix, http::ApiHandler handler);

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  struct Call {
    std::string_view query;  // still encoded
    std::string argument;    // what stood for {service}, decoded
    const net::SocketAddress& peer;
  };
  struct Endpoint;

  struct Mounted {
    std::string prefix;
    http::ApiHandler handler;
  };

  // What takes that path, or nullptr.
  [[nodiscard]] const http::ApiHandler* mounted_at(std::string_view path) const;
  [[nodiscard]] http::Response refuse(const ControlRefusal& refusal);
  [[nodiscard]] http::Response answer(const http::Request& request, const net::SocketAddress& peer);

  [[nodiscard]] http::Response health(const Call& call);
  [[nodiscard]] http::Response readiness(const Call& call);
  [[nodiscard]] http::Response metrics(const Call& call);
  [[nodiscard]] http::Response services(const Call& call);
  [[nodiscard]] http::Response routes(const Call& call);
  [[nodiscard]] http::Response breakers(const Call& call);
  [[nodiscard]] http::Response breaker(const Call& call);
  [[nodiscard]] http::Response force_open(const Call& call);
  [[nodiscard]] http::Response close(const Call& call);
  [[nodiscard]] http::Response automatic(const Call& call);
  [[nodiscard]] http::Response set_breaker(const Call& call, BreakerVerb verb, std::string_view name);
  [[nodiscard]] http::Response config(const Call& call);
  [[nodiscard]] http::Response reload(const Call& call);
  [[nodiscard]] http::Response explain(const Call& call);

  Platform& platform_;
  ControlGuard guard_;
  std::vector<Mounted> mounted_;
  Counter refused_;  // by the guard
};

}  // namespace flotilla::admin
