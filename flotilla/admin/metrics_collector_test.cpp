#include "flotilla/admin/metrics_collector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::admin {
namespace {

using namespace std::chrono_literals;
using telemetry::MetricsPage;
using testing::HasSubstr;
using testing::Not;

constexpr Instant kNow{1h};

void expect_lines(const MetricsPage& page, std::initializer_list<std::string_view> lines) {
  const std::string text = page.text();
  for (const std::string_view line : lines) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(line) + "\n"));
  }
}

TEST(MetricsCollector, ServiceSumsItsWorkers) {
  const auto service = call::Service::create({.name = ServiceName("payment")}, 2, kNow, 1, nullptr).value();
  call::ServiceCounters& first = service->metrics().of(0);
  call::ServiceCounters& second = service->metrics().of(1);
  first.calls.add(3);
  second.calls.add(4);
  first.attempts.add(9);
  second.retries.add(2);
  first.ejections.add();
  second.connections_opened.add(5);
  first.bulkhead_waited.add(6);
  first.refusals[static_cast<std::size_t>(Reason::timeout)].add();
  second.refusals[static_cast<std::size_t>(Reason::timeout)].add();
  second.retries_suppressed[static_cast<std::size_t>(resilience::GiveUp::budget)].add(8);
  first.fallbacks[static_cast<std::size_t>(call::FallbackKind::stale)].add();
  first.latency.record(1ms);
  second.latency.record(3ms);
  MetricsPage page;
  collect(*service, kNow, page);
  expect_lines(
      page, {"flotilla_calls_total{service=\"payment\"} 7", "flotilla_attempts_total{service=\"payment\"} 9",
             "flotilla_retry_attempts_total{service=\"payment\"} 2",
             "flotilla_ejections_total{service=\"payment\"} 1",
             "flotilla_upstream_connections_total{service=\"payment\"} 5",
             "flotilla_bulkhead_waited_total{service=\"payment\"} 6",
             "flotilla_call_refusals_total{service=\"payment\",reason=\"timeout\"} 2",
             "flotilla_retry_suppressed_total{service=\"payment\",reason=\"budget\"} 8",
             "flotilla_fallback_total{service=\"payment\",kind=\"stale\"} 1",
             "flotilla_upstream_latency_seconds_count{service=\"payment\"} 2",
             "flotilla_upstream_latency_seconds_sum{service=\"payment\"} 0.004",
             "flotilla_retry_budget_tokens{service=\"payment\"} 0"});
  // What the service does not have, or what never happened, is not there.
  EXPECT_THAT(page.text(), Not(HasSubstr("flotilla_breaker")));
  EXPECT_THAT(page.text(), Not(HasSubstr("bulkhead_limit")));
  EXPECT_THAT(page.text(), Not(HasSubstr("reason=\"reset\"")));
}

TEST(MetricsCollector, PoliciesOfAService) {
  call::ServiceConfig config{.name = ServiceName("payment")};
  config.circuit_breaker = resilience::BreakerConfig{.consecutive = 1};
  config.bulkhead = resilience::BulkheadConfig{.concurrent = 2, .queue = 1};
  const auto service = call::Service::create(config, 1, kNow, 1, nullptr).value();
  const auto slot = service->bulkhead()->try_enter();
  auto permit = service->breaker()->acquire(kNow);
  const auto counted = service->breaker()->complete(std::move(*permit), resilience::Outcome::failure, kNow);
  service->metrics().of(0).breaker_results[static_cast<std::size_t>(counted)].add();
  MetricsPage page;
  collect(*service, kNow, page);
  expect_lines(page, {"flotilla_breaker_state{service=\"payment\"} 2",
                      "flotilla_breaker_transitions_total{service=\"payment\"} 1",
                      "flotilla_breaker_calls_total{service=\"payment\",outcome=\"failure\"} 1",
                      "flotilla_breaker_calls_total{service=\"payment\",outcome=\"success\"} 0",
                      "flotilla_breaker_calls_total{service=\"payment\",outcome=\"late\"} 0",
                      "flotilla_bulkhead_in_flight{service=\"payment\"} 1",
                      "flotilla_bulkhead_limit{service=\"payment\"} 2",
                      "flotilla_bulkhead_queue_length{service=\"payment\"} 0"});
}

TEST(MetricsCollector, BreakerStatesAreOrderedBySeverity) {
  call::ServiceConfig config{.name = ServiceName("s")};
  config.circuit_breaker = resilience::BreakerConfig{};
  const auto service = call::Service::create(config, 1, kNow, 1, nullptr).value();
  resilience::CircuitBreaker& breaker = *service->breaker();
  const auto state = [&] {
    MetricsPage page;
    collect(*service, kNow, page);
    const std::string text = page.text();
    constexpr std::string_view kLine = "flotilla_breaker_state{service=\"s\"} ";
    const std::size_t at = text.find(kLine) + kLine.size();
    return text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(state(), "0");
  breaker.probe(kNow);
  EXPECT_EQ(state(), "1");
  breaker.open(kNow);
  EXPECT_EQ(state(), "2");
  breaker.set_mode(resilience::BreakerMode::observe, kNow);
  EXPECT_EQ(state(), "4");
  breaker.set_mode(resilience::BreakerMode::forced_open, kNow);
  EXPECT_EQ(state(), "8");
  breaker.set_mode(resilience::BreakerMode::disabled, kNow);
  EXPECT_EQ(state(), "12");
}

TEST(MetricsCollector, GatewayByRouteAndClass) {
  gateway::GatewayConfig config{.name = "public", .listen = "127.0.0.1:0"};
  config.routes.push_back(
      {.match = {.methods = {"GET"}, .path = "/hello"}, .action = gateway::RespondConfig{}});
  const auto compiled = gateway::compile_gateway(config, {}, {}, 2, nullptr).value();
  gateway::RouteCounters& first = compiled->routes[0].metrics->of(0);
  gateway::RouteCounters& second = compiled->routes[0].metrics->of(1);
  first.answers[2].add(3);
  second.answers[2].add(4);
  second.cancelled.add();
  first.bytes_sent.add(10);
  second.bytes_sent.add(20);
  first.latency.record(1ms);
  compiled->unrouted->of(1).answers[4].add(6);
  compiled->unrouted->of(1).latency.record(1ms);
  MetricsPage page;
  collect(*compiled, page);
  expect_lines(page,
               {"flotilla_requests_total{route=\"GET /hello\",gateway=\"public\",class=\"2xx\"} 7",
                "flotilla_requests_total{route=\"GET /hello\",gateway=\"public\",class=\"cancelled\"} 1",
                "flotilla_requests_total{route=\"unrouted\",gateway=\"public\",class=\"4xx\"} 6",
                "flotilla_request_duration_seconds_count{gateway=\"public\"} 2",
                "flotilla_response_bytes_total{gateway=\"public\"} 30"});
}

TEST(MetricsCollector, ListenersOfWorkersAddUp) {
  http::ServerCounters first;
  http::ServerCounters second;
  first.connections_opened.add(5);
  first.connections_open.add(5);
  first.connections_open.sub(2);
  second.connections_open.add(1);
  second.requests.add(9);
  second.malformed_heads.add(2);
  second.malformed_bodies.add(3);
  second.slow_requests.add(4);
  second.cancelled.add(6);
  MetricsPage page;
  collect("admin", first, page);
  collect("admin", second, page);
  expect_lines(page, {"flotilla_connections_open{listener=\"admin\"} 4",
                      "flotilla_connections_total{listener=\"admin\"} 5",
                      "flotilla_listener_requests_total{listener=\"admin\"} 9",
                      "flotilla_malformed_heads_total{listener=\"admin\"} 2",
                      "flotilla_malformed_bodies_total{listener=\"admin\"} 3",
                      "flotilla_slow_requests_total{listener=\"admin\"} 4",
                      "flotilla_cancelled_requests_total{listener=\"admin\"} 6"});
}

}  // namespace
}  // namespace flotilla::admin
