#include "flotilla/admin/metrics_collector.hpp"

#include <array>
#include <span>
#include <string>

#include "flotilla/resilience/bulkhead.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"
#include "flotilla/resilience/core/retry.hpp"
#include "flotilla/resilience/core/retry_budget.hpp"

namespace flotilla::admin {
namespace {

using call::ServiceCounters;
using telemetry::Family;
using telemetry::MetricsPage;

constexpr Family kCalls{"flotilla_calls_total", "Logical calls to a service, each with all its attempts."};
constexpr Family kAttempts{"flotilla_attempts_total",
                           "Attempts at a service's instances, failed connects included."};
constexpr Family kRefusals{"flotilla_call_refusals_total", "Calls that ended without a service's answer."};
constexpr Family kLatency{"flotilla_upstream_latency_seconds", "Attempts: sent to head of the answer."};
constexpr Family kConnections{"flotilla_upstream_connections_total", "Connections opened to instances."};
constexpr Family kPipelined{"flotilla_upstream_pipelined_total",
                            "Requests that were free to share a connection (pipelining)."};
constexpr Family kDisplaced{"flotilla_upstream_displaced_total",
                            "Requests sent again because another one ended the connection they shared."};
constexpr Family kBreakerState{"flotilla_breaker_state",
                               "0 closed, 1 half-open, 2 open; plus 4 in mode observe, 8 forced-open, 12 "
                               "disabled."};
constexpr Family kBreakerCalls{"flotilla_breaker_calls_total", "What a breaker made of results."};
constexpr Family kBreakerTransitions{"flotilla_breaker_transitions_total", "Transitions of a breaker."};
constexpr Family kInFlight{"flotilla_bulkhead_in_flight", "Slots taken."};
constexpr Family kLimit{"flotilla_bulkhead_limit", "Slots there are."};
constexpr Family kQueue{"flotilla_bulkhead_queue_length", "Calls that wait for a slot."};
constexpr Family kWaited{"flotilla_bulkhead_waited_total", "Calls that had to wait for a slot."};
constexpr Family kRetries{"flotilla_retry_attempts_total", "Attempts that were repeated."};
constexpr Family kSuppressed{"flotilla_retry_suppressed_total", "Failed attempts not repeated, by why not."};
constexpr Family kTokens{"flotilla_retry_budget_tokens", "Retries the budget has saved."};
constexpr Family kEjections{"flotilla_ejections_total", "Instances taken out because they kept failing."};
constexpr Family kFallbacks{"flotilla_fallback_total", "Calls answered by a fallback, by its kind."};
constexpr Family kRequests{"flotilla_requests_total", "Requests to a gateway, by route and class."};
constexpr Family kDuration{"flotilla_request_duration_seconds", "Head complete to answer complete."};
constexpr Family kSent{"flotilla_response_bytes_total", "Bytes of answers sent by a gateway."};
constexpr Family kOpen{"flotilla_connections_open", "Connections open now."};
constexpr Family kAccepted{"flotilla_connections_total", "Connections accepted."};
constexpr Family kReceived{"flotilla_listener_requests_total", "Requests whose head was complete."};
constexpr Family kMalformedHeads{"flotilla_malformed_heads_total",
                                 "Heads refused as malformed or too large."};
constexpr Family kMalformedBodies{"flotilla_malformed_bodies_total",
                                  "Bodies refused as malformed or too large."};
constexpr Family kSlow{"flotilla_slow_requests_total", "Requests given up because they came too slowly."};
constexpr Family kCancelled{"flotilla_cancelled_requests_total", "Requests whose client left unanswered."};

// The sum over all workers of the counter that `pick` names.
template <class Shard, class Pick>
std::uint64_t total(std::span<const Shard> shards, Pick pick) {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards) {
    sum += pick(shard).read();
  }
  return sum;
}

void add_if_any(MetricsPage& page, const Family& family, telemetry::Labels labels, std::uint64_t value) {
  if (value != 0) {
    page.counter(family, labels, value);
  }
}

double state_number(const resilience::BreakerSnapshot& breaker) {
  // The order of severity, which is not the order of the enum.
  constexpr std::array<double, 3> kNumbers{0, 2, 1};
  return kNumbers[static_cast<std::size_t>(breaker.state)] + 4.0 * static_cast<double>(breaker.mode);
}

void collect_policies(const call::Service& service, Instant now, std::string_view name, MetricsPage& page) {
  if (const auto* const breaker = service.breaker()) {
    const resilience::BreakerSnapshot snapshot = breaker->snapshot(now);
    page.gauge(kBreakerState, {{"service", name}}, state_number(snapshot));
    page.counter(kBreakerTransitions, {{"service", name}}, snapshot.transitions);
    constexpr std::array<std::string_view, 5> kOutcomes{"success", "failure", "ignored", "cancelled", "late"};
    for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
      page.counter(kBreakerCalls, {{"service", name}, {"outcome", kOutcomes[i]}},
                   total(std::span(service.metrics().shards()),
                         [i](const ServiceCounters& c) -> const Counter& { return c.breaker_results[i]; }));
    }
  }
  if (const auto* const bulkhead = service.bulkhead()) {
    const resilience::BulkheadCounts counts = bulkhead->counts();
    page.gauge(kInFlight, {{"service", name}}, counts.in_flight);
    page.gauge(kLimit, {{"service", name}}, counts.limit);
    page.gauge(kQueue, {{"service", name}}, counts.waiting);
  }
  page.gauge(kTokens, {{"service", name}}, static_cast<double>(service.budget().balance_micro()) / 1e6);
}

}  // namespace

void collect(const call::Service& service, Instant now, MetricsPage& page) {
  const std::string& name = service.name().value();
  const std::span<const ServiceCounters> shards(service.metrics().shards());
  const auto sum = [shards](Counter ServiceCounters::* counter) {
    return total(shards, [counter](const ServiceCounters& c) -> const Counter& { return c.*counter; });
  };
  page.counter(kCalls, {{"service", name}}, sum(&ServiceCounters::calls));
  page.counter(kAttempts, {{"service", name}}, sum(&ServiceCounters::attempts));
  page.counter(kConnections, {{"service", name}}, sum(&ServiceCounters::connections_opened));
  page.counter(kPipelined, {{"service", name}}, sum(&ServiceCounters::pipelined));
  page.counter(kDisplaced, {{"service", name}}, sum(&ServiceCounters::displaced));
  page.counter(kRetries, {{"service", name}}, sum(&ServiceCounters::retries));
  page.counter(kEjections, {{"service", name}}, sum(&ServiceCounters::ejections));
  page.counter(kWaited, {{"service", name}}, sum(&ServiceCounters::bulkhead_waited));
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    add_if_any(page, kRefusals, {{"service", name}, {"reason", to_string(static_cast<Reason>(i))}},
               total(shards, [i](const ServiceCounters& c) -> const Counter& { return c.refusals[i]; }));
  }
  for (std::size_t i = 0; i < std::tuple_size_v<decltype(ServiceCounters::retries_suppressed)>; ++i) {
    add_if_any(
        page, kSuppressed, {{"service", name}, {"reason", to_string(static_cast<resilience::GiveUp>(i))}},
        total(shards, [i](const ServiceCounters& c) -> const Counter& { return c.retries_suppressed[i]; }));
  }
  for (std::size_t i = 0; i < std::tuple_size_v<decltype(ServiceCounters::fallbacks)>; ++i) {
    add_if_any(page, kFallbacks, {{"service", name}, {"kind", to_string(static_cast<call::FallbackKind>(i))}},
               total(shards, [i](const ServiceCounters& c) -> const Counter& { return c.fallbacks[i]; }));
  }
  for (const ServiceCounters& shard : shards) {
    page.histogram(kLatency, {{"service", name}}, shard.latency);
  }
  collect_policies(service, now, name, page);
}

namespace {

void collect_route(std::string_view gateway, std::string_view route, const gateway::RouteMetrics& metrics,
                   MetricsPage& page) {
  using gateway::RouteCounters;
  constexpr std::array<std::string_view, 6> kClasses{"", "1xx", "2xx", "3xx", "4xx", "5xx"};
  const std::span<const RouteCounters> shards(metrics.shards());
  for (std::size_t i = 1; i < kClasses.size(); ++i) {
    add_if_any(page, kRequests, {{"route", route}, {"gateway", gateway}, {"class", kClasses[i]}},
               total(shards, [i](const RouteCounters& c) -> const Counter& { return c.answers[i]; }));
  }
  add_if_any(page, kRequests, {{"route", route}, {"gateway", gateway}, {"class", "cancelled"}},
             total(shards, [](const RouteCounters& c) -> const Counter& { return c.cancelled; }));
  for (const RouteCounters& shard : shards) {
    if (shard.latency.count() != 0) {
      page.histogram(kDuration, {{"gateway", gateway}}, shard.latency);
    }
    page.counter(kSent, {{"gateway", gateway}}, shard.bytes_sent.read());
  }
}

}  // namespace

void collect(const gateway::CompiledGateway& gateway, MetricsPage& page) {
  for (const gateway::GatewayRoute& route : gateway.routes) {
    collect_route(gateway.name, route.name, *route.metrics, page);
  }
  collect_route(gateway.name, "unrouted", *gateway.unrouted, page);
}

void collect(std::string_view listener, const http::ServerCounters& counters, MetricsPage& page) {
  const auto add = [&](const Family& family, const Counter& counter) {
    page.counter(family, {{"listener", listener}}, counter.read());
  };
  // A counter that also goes down; a shard's own never below zero.
  page.gauge(kOpen, {{"listener", listener}}, static_cast<double>(counters.connections_open.read()));
  add(kAccepted, counters.connections_opened);
  add(kReceived, counters.requests);
  add(kMalformedHeads, counters.malformed_heads);
  add(kMalformedBodies, counters.malformed_bodies);
  add(kSlow, counters.slow_requests);
  add(kCancelled, counters.cancelled);
}

}  // namespace flotilla::admin
