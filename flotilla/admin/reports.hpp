// Reports of a Platform made from what the other folders keep: breakers, policy plans, routes.
//
// For: the implementation of Platform. Threads: any; reads snapshots and counters.
#pragma once

#include <functional>
#include <vector>

#include "flotilla/admin/platform.hpp"
#include "flotilla/call/service.hpp"
#include "flotilla/gateway/gateway_view.hpp"

namespace flotilla::admin {

// The service must have a breaker (asserted). `now` and `wall` are the same moment on both clocks: that is
// how the breaker's instants become wall-clock times.
[[nodiscard]] BreakerReport breaker_report(const call::Service& service, Instant now, WallTime wall);

// Does to the breaker what the operator asked.
void apply(BreakerVerb verb, resilience::CircuitBreaker& breaker, Instant now);

// The plan of the policies around a call, outermost first, as call/caller.cpp runs them; with how many
// requests and how long at worst, those of fallback services included. `find` gives the configuration of
// another service, or nullptr.
using FindConfig = std::function<const call::ServiceConfig*(const ServiceName&)>;
[[nodiscard]] ExplainReport explain_report(const call::ServiceConfig& config, const FindConfig& find);

// In the order of the file.
[[nodiscard]] std::vector<RouteReport> route_reports(const gateway::CompiledGateway& gateway);

}  // namespace flotilla::admin
