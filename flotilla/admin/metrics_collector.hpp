// What /metrics says about services, gateways and listeners, from the counters they keep.
//
// For: Platform::metrics. docs/operations.md lists every family. Counters of all workers are added up here,
// at the scrape, so that counting itself stays a plain store on a worker's own line.
// Reasons, causes and classes that never occurred have no series; outcomes always have one.
// Threads: any; reads relaxed counters, so numbers of one page may be some calls apart.
// Limits: those of the page.
#pragma once

#include <string_view>

#include "flotilla/base/time.hpp"
#include "flotilla/call/service.hpp"
#include "flotilla/gateway/gateway_view.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::admin {

// Calls, attempts and policies of one service. Once per service, not per worker.
void collect(const call::Service& service, Instant now, telemetry::MetricsPage& page);

// Requests by route and class ("2xx", "cancelled": the client left first), and their durations by gateway.
// Requests that no route took are under route="unrouted". Once per gateway, not per worker.
void collect(const gateway::CompiledGateway& gateway, telemetry::MetricsPage& page);

// Connections of one listener ("gateway public", "admin"). Once per server, that is for every worker's.
void collect(std::string_view listener, const http::ServerCounters& counters, telemetry::MetricsPage& page);

}  // namespace flotilla::admin
