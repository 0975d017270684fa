// One gateway's configuration, compiled: what all workers share, and what one worker adds to it.
//
// CompiledGateway is built once per load and never changes; a GatewayView is a worker's own, with the
// services resolved to this worker's connections and counters. A reload swaps the view; requests in flight
// keep theirs.
// Ownership: views are shared_ptr, held by the handler and by requests in flight. Threads: CompiledGateway
// any, GatewayView its worker's. Limits: those of the router.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flotilla/base/counter.hpp"
#include "flotilla/base/error.hpp"
#include "flotilla/call/caller.hpp"
#include "flotilla/call/core/text_template.hpp"
#include "flotilla/call/service_table.hpp"
#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/gateway/core/compose_plan.hpp"
#include "flotilla/gateway/core/router.hpp"
#include "flotilla/gateway/gateway_config.hpp"
#include "flotilla/net/cidr.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::cqrs {
class CommandRunner;
}

namespace flotilla::gateway {

// What one worker counts about one route.
struct alignas(128) RouteCounters {
  std::array<Counter, 6> answers;  // by status / 100; [0] is not used
  Counter cancelled;               // the client left first
  Counter bytes_sent;
  Histogram latency;  // head complete to answer complete
};

class RouteMetrics {
 public:
  explicit RouteMetrics(std::uint32_t workers) : shards_(workers) {}
  [[nodiscard]] RouteCounters& of(std::uint32_t worker) noexcept { return shards_[worker]; }
  [[nodiscard]] const std::vector<RouteCounters>& shards() const noexcept { return shards_; }

 private:
  std::vector<RouteCounters> shards_;
};

struct ProxyAction {
  ServiceName service;
  std::string strip_prefix;
  bool preserve_host = false;
};
struct ComposeAction {
  std::shared_ptr<const ComposePlan> plan;
  ComposeView view;
};
struct SagaAction {
  std::string saga;
  Duration wait{0};
};
struct ViewAction {
  std::string view;
  bool has_key = false;
  std::vector<call::TemplatePart> key;
};
struct CommandAction {
  std::string command;
};
struct RespondAction {
  RespondConfig answer;
};
struct RedirectAction {
  std::vector<call::TemplatePart> to;
  std::uint16_t status = 302;
};
using Action = std::variant<ProxyAction, ComposeAction, SagaAction, CommandAction, ViewAction, RespondAction,
                            RedirectAction>;

struct GatewayRoute {
  std::string name;         // "GET /users/{id}": for logs, metrics and reports
  std::string action_name;  // "proxy user-service"
  Action action;
  std::shared_ptr<RouteMetrics> metrics;
};

struct CompiledGateway {
  std::string name;
  std::string listen;
  GatewayLimits limits;
  Router router;
  std::vector<GatewayRoute> routes;        // by the router's index
  std::shared_ptr<RouteMetrics> unrouted;  // requests that no route took
  net::CidrSet trusted;
};

using CompositionPlans = std::unordered_map<std::string, std::shared_ptr<const ComposePlan>>;

// What routes may name.
struct Named {
  CompositionPlans compositions;
  std::vector<std::string> sagas;
  std::vector<std::string> views;
  std::vector<std::string> commands = {};
};

// Compiles `config`; `old`, if any, is the gateway of that name before the reload: routes of the same name
// keep their counters. Errors carry the place in the file.
[[nodiscard]] Result<std::shared_ptr<const CompiledGateway>> compile_gateway(const GatewayConfig& config,
                                                                             const Named& named,
                                                                             const net::CidrSet& trusted,
                                                                             std::uint32_t workers,
                                                                             const CompiledGateway* old);

// What a worker needs of a route on every request, side by side: with very many routes each of these was a
// walk over cold memory.
struct RouteOnWorker {
  call::WorkerService* proxied = nullptr;  // the service of a proxy action
  RouteCounters* counters = nullptr;
};

struct GatewayView {
  std::shared_ptr<const CompiledGateway> gateway;
  std::shared_ptr<const call::ServiceTable> services;
  std::vector<RouteOnWorker> routes;  // by the router's index
  std::uint32_t worker = 0;
  saga::Sagas* sagas = nullptr;             // outlives the view; nullptr only where no route runs a saga
  cqrs::ViewReader* views = nullptr;        // the same, of routes that read a view
  cqrs::CommandRunner* commands = nullptr;  // the same, of routes that execute a command
};

// The view of one worker. Every service that a proxy action names is in `services`.
[[nodiscard]] std::shared_ptr<GatewayView> make_view(std::shared_ptr<const CompiledGateway> gateway,
                                                     std::shared_ptr<const call::ServiceTable> services,
                                                     std::uint32_t worker, saga::Sagas* sagas,
                                                     cqrs::ViewReader* views = nullptr,
                                                     cqrs::CommandRunner* commands = nullptr);

}  // namespace flotilla::gateway
