// What the management API shows and does, as one port: `app` implements it over the running program.
//
// For: AdminApi, and tests of it. Reports are plain values, taken at one moment.
// Threads: called on the admin port's loop; implementations read what other workers write through
// snapshots and counters, and must not wait. Limits: reports are as large as the configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::admin {

struct InstanceReport {
  std::string id;
  std::string address;  // "10.0.0.7:8080"
  std::uint32_t weight = 1;
  bool healthy = true;
};
struct ServiceReport {
  std::string name;
  std::string source;  // who knows its instances: "static", "registry"
  std::vector<InstanceReport> instances;
};

struct RouteReport {
  std::string gateway;
  std::string name;    // "GET /users/{id}"
  std::string action;  // "proxy user-service"
  std::uint64_t requests = 0;
};
struct RouteCandidate {
  std::string route;
  bool matches = false;
  std::string why;
};
struct RouteExplanation {
  std::string result;  // the route that takes the request, or what is answered without one
  std::vector<RouteCandidate> candidates;
};

struct BreakerReport {
  std::string service;
  std::string state;  // "closed", "open", "half-open"
  std::string mode;   // "auto", "observe", "forced-open", "disabled"
  std::uint64_t failures = 0;
  std::optional<WallTime> opened_at;
  std::optional<WallTime> retry_at;
};
// force_open refuses every call until another verb; close begins a fresh closed breaker, which may open
// again; automatic ends what the file or an operator forced.
enum class BreakerVerb : std::uint8_t { force_open, close, automatic };

struct PolicyReport {
  std::string policy;   // "retry"
  std::string setting;  // "3 attempts, 25ms to 250ms apart"
};
struct ExplainReport {
  std::string service;
  std::vector<PolicyReport> policies;  // outermost first
  std::uint32_t attempts = 1;          // requests sent for one call, at worst
  Duration time{0};                    // until a call is answered, at worst
};

class Platform {
 public:
  virtual ~Platform() = default;

  [[nodiscard]] virtual std::vector<ServiceReport> services() = 0;
  // Of one gateway, or of all for an empty name. Error: not_found.
  [[nodiscard]] virtual Result<std::vector<RouteReport>> routes(std::string_view gateway) = 0;
  // `gateway` empty: the only one, or the first. `url` is a path or an absolute URL, still encoded.
  // Errors: not_found (gateway), invalid (url).
  [[nodiscard]] virtual Result<RouteExplanation> explain_route(std::string_view gateway,
                                                               std::string_view method,
                                                               std::string_view url) = 0;
  [[nodiscard]] virtual std::vector<BreakerReport> breakers() = 0;
  // Error: not_found (no such service, or one without a breaker).
  [[nodiscard]] virtual Result<> set_breaker(std::string_view service, BreakerVerb verb) = 0;
  [[nodiscard]] virtual Result<ExplainReport> explain(std::string_view service) = 0;

  [[nodiscard]] virtual std::string config_file() = 0;
  // Reads the file again; on an error nothing has changed.
  [[nodiscard]] virtual Result<> reload() = 0;
  // Nothing once every listener of the file serves; else an error that says what is missing.
  [[nodiscard]] virtual Result<> ready() = 0;
  virtual void metrics(telemetry::MetricsPage& page) = 0;
};

}  // namespace flotilla::admin
