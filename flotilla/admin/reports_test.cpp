#include "flotilla/admin/reports.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::admin {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr WallTime kWall{1'000'000'000'000};

std::shared_ptr<call::Service> service_with_breaker(Instant now) {
  call::ServiceConfig config{.name = ServiceName("payment")};
  config.circuit_breaker = resilience::BreakerConfig{.consecutive = 2, .open = 5s, .jitter = 0};
  return call::Service::create(config, 1, now, 1, nullptr).value();
}

void fail_once(resilience::CircuitBreaker& breaker, Instant now) {
  auto permit = breaker.acquire(now);
  ASSERT_TRUE(permit.has_value());
  breaker.complete(std::move(*permit), resilience::Outcome::failure, now);
}

TEST(Reports, BreakerTimesBecomeWallClock) {
  const Instant start{1h};
  const auto service = service_with_breaker(start);
  fail_once(*service->breaker(), start);
  BreakerReport report = breaker_report(*service, start, kWall);
  EXPECT_EQ(report.service, "payment");
  EXPECT_EQ(report.state, "closed");
  EXPECT_EQ(report.mode, "auto");
  EXPECT_EQ(report.failures, 1U);
  EXPECT_FALSE(report.opened_at);
  EXPECT_FALSE(report.retry_at);

  fail_once(*service->breaker(), start);
  report = breaker_report(*service, start + 2s, kWall);
  EXPECT_EQ(report.state, "open");
  EXPECT_EQ(report.opened_at, (WallTime{kWall.ns_since_epoch - 2'000'000'000}));
  EXPECT_EQ(report.retry_at, (WallTime{kWall.ns_since_epoch + 3'000'000'000}));
}

TEST(Reports, VerbsForceAndRelease) {
  const Instant now{1h};
  const auto service = service_with_breaker(now);
  resilience::CircuitBreaker& breaker = *service->breaker();
  apply(BreakerVerb::force_open, breaker, now);
  EXPECT_FALSE(breaker.acquire(now + 1h).has_value());
  BreakerReport report = breaker_report(*service, now, kWall);
  EXPECT_EQ(report.state, "open");
  EXPECT_EQ(report.mode, "forced-open");
  EXPECT_FALSE(report.retry_at);

  apply(BreakerVerb::automatic, breaker, now);
  EXPECT_TRUE(breaker.acquire(now).has_value());
  EXPECT_EQ(breaker_report(*service, now, kWall).mode, "auto");

  fail_once(breaker, now);
  fail_once(breaker, now);
  EXPECT_FALSE(breaker.acquire(now).has_value());
  apply(BreakerVerb::automatic, breaker, now);  // it is automatic already: nothing to release
  EXPECT_FALSE(breaker.acquire(now).has_value());
  apply(BreakerVerb::close, breaker, now);
  EXPECT_TRUE(breaker.acquire(now).has_value());
}

std::vector<std::string> lines(const ExplainReport& report) {
  std::vector<std::string> all;
  for (const PolicyReport& policy : report.policies) {
    all.push_back(policy.policy + ": " + policy.setting);
  }
  return all;
}

TEST(Reports, PlanOfABareService) {
  const call::ServiceConfig config{.name = ServiceName("plain"), .retry = {.attempts = 1}};
  const ExplainReport report = explain_report(config, [](const ServiceName&) { return nullptr; });
  EXPECT_THAT(lines(report), ElementsAre("timeout: 5s for the call", "balance: least-request"));
  EXPECT_EQ(report.attempts, 1U);
  EXPECT_EQ(report.time, 5s);
}

TEST(Reports, PlanOfAServiceWithEverything) {
  call::ServiceConfig other{.name = ServiceName("backup"), .timeout = 1s, .retry = {.attempts = 1}};
  call::ServiceConfig config{.name = ServiceName("payment"), .timeout = 2500ms, .try_timeout = 800ms};
  config.retry.attempts = 3;
  config.balance = resilience::Balance::round_robin;
  config.circuit_breaker = resilience::BreakerConfig{.slow_rate = 0.8, .slow_call = 2s};
  config.bulkhead = resilience::BulkheadConfig{.concurrent = 50, .queue = 10, .wait = 100ms};
  config.rate_limit = resilience::RateLimit{.count = 100, .period = 1s};
  config.outlier = resilience::OutlierConfig{};
  config.fallbacks = {call::StaleFallback{.longest = 60s}, call::ServiceFallback{.service = other.name},
                      call::RespondFallback{.status = 202}};
  const ExplainReport report =
      explain_report(config, [&](const ServiceName& name) { return name == other.name ? &other : nullptr; });
  EXPECT_THAT(
      lines(report),
      ElementsAre("fallback: an answer up to 60s old", "fallback: service backup", "fallback: respond 202",
                  "timeout: 2500ms for the call", "rate_limit: 100 per 1s, burst 100",
                  "retry: 3 attempts, 25ms to 250ms apart", "retry_budget: 20 % of the calls, and 1 a second",
                  "circuit_breaker: opens at 5 failures in a row or 50 % failures of at least 20 calls "
                  "or 80 % slower than 2s; for 5s, growing to 60s",
                  "balance: round-robin", "outlier: an instance is out for 30s after 5 failures in a row",
                  "bulkhead: 50 at once, 10 waiting up to 100ms", "try_timeout: 800ms for an attempt"));
  EXPECT_EQ(report.attempts, 5U);  // 3, one free retry, one of the fallback service
  EXPECT_EQ(report.time, 3500ms);
}

TEST(Reports, BreakerThatWaitsNoLongerSaysSo) {
  call::ServiceConfig config{.name = ServiceName("plain"), .retry = {.attempts = 1}};
  config.circuit_breaker = resilience::BreakerConfig{.rate = 0, .open = 60s, .max = 60s};
  EXPECT_THAT(
      lines(explain_report(config, [](const ServiceName&) { return nullptr; })),
      ElementsAre("timeout: 5s for the call", "circuit_breaker: opens at 5 failures in a row; for 60s",
                  "balance: least-request"));
}

TEST(Reports, AttemptsNeverExceedTheCallers) {
  const call::ServiceConfig config{.name = ServiceName("eager"), .retry = {.attempts = 100}};
  EXPECT_EQ(explain_report(config, [](const ServiceName&) { return nullptr; }).attempts, 16U);
}

TEST(Reports, RoutesCountAnswersAndClientsThatLeft) {
  gateway::GatewayConfig config{.name = "public", .listen = "127.0.0.1:0"};
  config.routes.push_back(
      {.match = {.methods = {"GET"}, .path = "/hello"}, .action = gateway::RespondConfig{}});
  const auto compiled = gateway::compile_gateway(config, {}, {}, 2, nullptr).value();
  compiled->routes[0].metrics->of(0).answers[2].add(3);
  compiled->routes[0].metrics->of(1).answers[5].add();
  compiled->routes[0].metrics->of(1).cancelled.add();
  const auto reports = route_reports(*compiled);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].gateway, "public");
  EXPECT_EQ(reports[0].name, "GET /hello");
  EXPECT_EQ(reports[0].action, compiled->routes[0].action_name);
  EXPECT_EQ(reports[0].requests, 5U);
}

}  // namespace
}  // namespace flotilla::admin
