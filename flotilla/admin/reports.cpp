#include "flotilla/admin/reports.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/admin/report_json.hpp"
#include "flotilla/base/assert.hpp"
#include "flotilla/call/caller.hpp"

namespace flotilla::admin {
namespace {

using call::ServiceConfig;

std::string_view name_of(resilience::Balance balance) {
  constexpr std::array<std::string_view, 4> kNames{"round-robin", "random", "least-request", "weighted"};
  return kNames[static_cast<std::size_t>(balance)];
}

std::string describe(const call::Fallback& fallback) {
  if (const auto* const respond = std::get_if<call::RespondFallback>(&fallback)) {
    return fmt::format("respond {}", respond->status);
  }
  if (const auto* const stale = std::get_if<call::StaleFallback>(&fallback)) {
    return fmt::format("an answer up to {} old", duration_text(stale->longest));
  }
  if (const auto* const queue = std::get_if<call::QueueFallback>(&fallback)) {
    return fmt::format("queue {}, at most {} calls", queue->name, queue->items);
  }
  return fmt::format("service {}", std::get<call::ServiceFallback>(fallback).service.value());
}

std::string describe_breaker(const resilience::BreakerConfig& breaker) {
  std::vector<std::string> rules;
  if (breaker.consecutive != 0) {
    rules.push_back(fmt::format("{} failures in a row", breaker.consecutive));
  }
  if (breaker.rate > 0) {
    rules.push_back(
        fmt::format("{:g} % failures of at least {} calls", breaker.rate * 100, breaker.min_calls));
  }
  if (breaker.slow_rate > 0) {
    rules.push_back(
        fmt::format("{:g} % slower than {}", breaker.slow_rate * 100, duration_text(breaker.slow_call)));
  }
  const std::string longer =
      breaker.max > breaker.open ? fmt::format(", growing to {}", duration_text(breaker.max)) : "";
  return fmt::format("opens at {}; for {}{}", fmt::join(rules, " or "), duration_text(breaker.open), longer);
}

// Attempts of the service itself: one more than the policy's, because a retry on a connection that broke
// unused is free (resilience/core/retry.hpp).
std::uint32_t most_attempts(const ServiceConfig& config) {
  const std::uint32_t attempts = config.retry.attempts;
  return attempts <= 1 ? 1 : std::min(attempts + 1, call::Caller::kMostAttempts);
}

}  // namespace

BreakerReport breaker_report(const call::Service& service, Instant now, WallTime wall) {
  FLOTILLA_ASSERT(service.breaker() != nullptr);
  const resilience::BreakerSnapshot snapshot = service.breaker()->snapshot(now);
  const auto wall_time = [&](const std::optional<Instant>& at) -> std::optional<WallTime> {
    return at ? std::optional(WallTime{wall.ns_since_epoch + (*at - now).count()}) : std::nullopt;
  };
  // A forced breaker refuses whatever its state was, and does not probe.
  const bool forced = snapshot.mode == resilience::BreakerMode::forced_open;
  return {.service = service.name().value(),
          .state = std::string(to_string(forced ? resilience::BreakerState::open : snapshot.state)),
          .mode = std::string(to_string(snapshot.mode)),
          .failures = snapshot.failures,
          .opened_at = wall_time(snapshot.opened_at),
          .retry_at = forced ? std::nullopt : wall_time(snapshot.retry_at)};
}

void apply(BreakerVerb verb, resilience::CircuitBreaker& breaker, Instant now) {
  switch (verb) {
    case BreakerVerb::force_open:
      breaker.set_mode(resilience::BreakerMode::forced_open, now);
      break;
    case BreakerVerb::close:
      breaker.close(now);
      break;
    case BreakerVerb::automatic:
      breaker.set_mode(resilience::BreakerMode::automatic, now);
      break;
  }
}

ExplainReport explain_report(const ServiceConfig& config, const FindConfig& find) {
  ExplainReport report{
      .service = config.name.value(), .attempts = most_attempts(config), .time = config.timeout};
  const auto add = [&](std::string_view policy, std::string setting) {
    report.policies.push_back({std::string(policy), std::move(setting)});
  };
  for (const call::Fallback& fallback : config.fallbacks) {
    add("fallback", describe(fallback));
    const auto* const aside = std::get_if<call::ServiceFallback>(&fallback);
    if (const ServiceConfig* const other = aside != nullptr ? find(aside->service) : nullptr) {
      report.attempts += most_attempts(*other);
      report.time += other->timeout;
    }
  }
  add("timeout", fmt::format("{} for the call", duration_text(config.timeout)));
  if (config.rate_limit) {
    const resilience::RateLimit& limit = *config.rate_limit;
    add("rate_limit", fmt::format("{} per {}, burst {}", limit.count, duration_text(limit.period),
                                  limit.burst == 0 ? limit.count : limit.burst));
  }
  if (config.retry.attempts > 1) {
    add("retry", fmt::format("{} attempts, {} to {} apart", config.retry.attempts,
                             duration_text(config.retry.first), duration_text(config.retry.cap)));
    add("retry_budget", fmt::format("{:g} % of the calls, and {} a second", config.retry_budget.ratio * 100,
                                    config.retry_budget.reserve_per_second));
  }
  if (config.circuit_breaker) {
    add("circuit_breaker", describe_breaker(*config.circuit_breaker));
  }
  add("balance", std::string(name_of(config.balance)));
  if (config.outlier) {
    add("outlier", fmt::format("an instance is out for {} after {} failures in a row",
                               duration_text(config.outlier->eject), config.outlier->consecutive_5xx));
  }
  if (config.bulkhead) {
    add("bulkhead", fmt::format("{} at once, {} waiting up to {}", config.bulkhead->concurrent,
                                config.bulkhead->queue, duration_text(config.bulkhead->wait)));
  }
  if (config.try_timeout) {
    add("try_timeout", fmt::format("{} for an attempt", duration_text(*config.try_timeout)));
  }
  if (config.pipelining > 1) {
    add("pipelining",
        fmt::format("up to {} safe requests of one instant share a connection", config.pipelining));
  }
  return report;
}

std::vector<RouteReport> route_reports(const gateway::CompiledGateway& gateway) {
  std::vector<RouteReport> reports;
  reports.reserve(gateway.routes.size());
  for (const gateway::GatewayRoute& route : gateway.routes) {
    std::uint64_t requests = 0;
    for (const gateway::RouteCounters& shard : route.metrics->shards()) {
      requests += shard.cancelled.read();
      for (const Counter& answers : shard.answers) {
        requests += answers.read();
      }
    }
    reports.push_back({gateway.name, route.name, route.action_name, requests});
  }
  return reports;
}

}  // namespace flotilla::admin
