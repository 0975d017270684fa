// What the platform tells the admin API about itself.
#include <fmt/format.h>

#include <algorithm>

#include "flotilla/app/platform.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

// The wall-clock time of a monotonic instant, for people.
WallTime wall_of(Instant at) {
  return {net::wall_now().ns_since_epoch + (at - net::monotonic_now()).count()};
}

std::uint64_t requests_of(const gateway::RouteMetrics& metrics) {
  std::uint64_t total = 0;
  for (const gateway::RouteCounters& shard : metrics.shards()) {
    total += shard.cancelled.read();
    for (const Counter& answers : shard.answers) {
      total += answers.read();
    }
  }
  return total;
}

std::string text_of(Duration duration) {
  const std::int64_t ms = to_millis(duration);
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

std::string breaker_text(const resilience::BreakerConfig& config) {
  std::string text;
  if (config.consecutive > 0) {
    text += fmt::format("opens after {} failures in a row", config.consecutive);
  }
  if (config.window.kind != resilience::WindowShape::Kind::none && config.rate > 0) {
    text += fmt::format("{}at {:g}% failures of at least {} calls", text.empty() ? "opens " : " or ",
                        config.rate * 100, config.min_calls);
  }
  return text + fmt::format(", probes after {}", text_of(config.open));
}

std::string fallback_text(const call::Fallback& fallback) {
  if (const auto* respond = std::get_if<call::RespondFallback>(&fallback)) {
    return fmt::format("respond {}", respond->status);
  }
  if (const auto* stale = std::get_if<call::StaleFallback>(&fallback)) {
    return fmt::format("stale up to {}", text_of(stale->longest));
  }
  return fmt::format("service {}", std::get<call::ServiceFallback>(fallback).service.value());
}

}  // namespace

std::vector<admin::ServiceReport> Platform::services() {
  std::vector<admin::ServiceReport> reports;
  for (const auto& service : runtime_->services) {
    admin::ServiceReport report{.name = service->name().value(), .source = "registry", .instances = {}};
    for (const call::FixedUrl& url : service->config().urls) {
      report.source = "static";
      const std::string address = fmt::format("{}:{}", url.host, url.port);
      report.instances.push_back({address, address, 1});
    }
    if (const auto list = directory_.find(ServiceName(to_lower(report.name))); list && report.source == "registry") {
      for (const discovery::Instance& instance : *list) {
        report.instances.push_back(
            {instance.id, fmt::format("{}:{}", instance.host, instance.port), instance.weight});
      }
    }
    reports.push_back(std::move(report));
  }
  // What is registered and no route names yet.
  for (const auto& [name, list] : directory_.all()) {
    const bool known = std::ranges::any_of(reports, [&](const auto& r) { return iequals(r.name, name.value()); });
    if (known) {
      continue;
    }
    admin::ServiceReport report{.name = name.value(), .source = "registry", .instances = {}};
    for (const discovery::Instance& instance : *list) {
      report.instances.push_back({instance.id, fmt::format("{}:{}", instance.host, instance.port), instance.weight});
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

Result<std::vector<admin::RouteReport>> Platform::routes(std::string_view name) {
  std::vector<admin::RouteReport> reports;
  bool found = name.empty();
  for (const auto& gateway : runtime_->gateways) {
    if (!name.empty() && gateway->name != name) {
      continue;
    }
    found = true;
    for (const gateway::GatewayRoute& route : gateway->routes) {
      reports.push_back({gateway->name, route.name, route.action_name, requests_of(*route.metrics)});
    }
  }
  if (!found) {
    return fail(Errc::not_found, fmt::format("no gateway is named '{}'", name));
  }
  return reports;
}

Result<admin::RouteExplanation> Platform::explain_route(std::string_view name, std::string_view method,
                                                        std::string_view url) {
  const gateway::CompiledGateway* const gateway =
      name.empty() && !runtime_->gateways.empty() ? runtime_->gateways.front().get() : runtime_->gateway(name);
  if (gateway == nullptr) {
    return fail(Errc::not_found, fmt::format("no gateway is named '{}'", name));
  }
  std::string_view host;
  std::string_view path = url;
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    host = url.substr(scheme + 3);
    const std::size_t slash = std::min(host.find('/'), host.size());
    path = host.substr(slash);
    host = host.substr(0, slash);
  }
  path = path.substr(0, path.find('?'));
  std::string scratch;
  const auto normal = http::normalize_path(path.empty() ? std::string_view("/") : path, scratch);
  if (!normal) {
    return fail(Errc::invalid, fmt::format("'{}' is not a path or URL", url));
  }
  const gateway::Explanation explained =
      gateway->router.explain({.method = method, .host = host, .path = normal->path, .headers = {}});
  admin::RouteExplanation report;
  switch (explained.result.kind) {
    case gateway::MatchResult::Kind::route: {
      const gateway::GatewayRoute& route = gateway->routes[explained.result.route];
      report.result = fmt::format("{} -> {}", route.name, route.action_name);
      break;
    }
    case gateway::MatchResult::Kind::method_not_allowed:
      report.result = fmt::format("405, Allow: {}", gateway->router.allow(explained.result));
      break;
    case gateway::MatchResult::Kind::none:
      report.result = "404, no route";
      break;
  }
  for (const gateway::RouteVerdict& verdict : explained.candidates) {
    report.candidates.push_back({gateway->routes[verdict.route].name, verdict.matches, verdict.why});
  }
  return report;
}

std::vector<admin::BreakerReport> Platform::breakers() {
  std::vector<admin::BreakerReport> reports;
  for (const auto& service : runtime_->services) {
    resilience::CircuitBreaker* const breaker = service->breaker();
    if (breaker == nullptr) {
      continue;
    }
    const auto snapshot = breaker->snapshot(net::monotonic_now());
    admin::BreakerReport report{.service = service->name().value(),
                                .state = std::string(to_string(snapshot.state)),
                                .mode = std::string(to_string(snapshot.mode)),
                                .failures = snapshot.failures,
                                .opened_at = {},
                                .retry_at = {}};
    if (snapshot.opened_at) {
      report.opened_at = wall_of(*snapshot.opened_at);
    }
    if (snapshot.retry_at) {
      report.retry_at = wall_of(*snapshot.retry_at);
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

Result<> Platform::set_breaker(std::string_view name, admin::BreakerVerb verb) {
  const auto service = runtime_->service(ServiceName(std::string(name)));
  if (!service || service->breaker() == nullptr) {
    return fail(Errc::not_found, fmt::format("no service '{}' with a circuit breaker", name));
  }
  const Instant now = net::monotonic_now();
  switch (verb) {
    case admin::BreakerVerb::force_open:
      service->breaker()->set_mode(resilience::BreakerMode::forced_open, now);
      break;
    case admin::BreakerVerb::close:
      service->breaker()->close(now);
      break;
    case admin::BreakerVerb::automatic:
      service->breaker()->set_mode(resilience::BreakerMode::automatic, now);
      break;
  }
  return {};
}

Result<admin::ExplainReport> Platform::explain(std::string_view name) {
  const auto service = runtime_->service(ServiceName(std::string(name)));
  if (!service) {
    return fail(Errc::not_found, fmt::format("no service is named '{}'", name));
  }
  const call::ServiceConfig& config = service->config();
  admin::ExplainReport report{.service = std::string(name), .policies = {}, .attempts = 1, .time = config.timeout};
  const auto add = [&](std::string policy, std::string setting) {
    report.policies.push_back({std::move(policy), std::move(setting)});
  };
  for (const call::Fallback& fallback : config.fallbacks) {
    add("fallback", fallback_text(fallback));
  }
  add("deadline", fmt::format("{} in all, until the answer begins", text_of(config.timeout)));
  if (config.rate_limit) {
    add("rate_limit", fmt::format("{} per {}", config.rate_limit->count, text_of(config.rate_limit->period)));
  }
  add("retry", fmt::format("{} attempts, pauses below {} to {}, at most {:g}% of calls", config.retry.attempts,
                           text_of(config.retry.first), text_of(config.retry.cap), config.retry_budget.ratio * 100));
  add("circuit_breaker", config.circuit_breaker ? breaker_text(*config.circuit_breaker) : "none");
  add("balance", config.outlier ? fmt::format("failing instances leave for {} after {} failures",
                                              text_of(config.outlier->eject), config.outlier->consecutive_5xx)
                                : "every healthy instance");
  add("bulkhead", config.bulkhead ? fmt::format("{} at once, {} waiting up to {}", config.bulkhead->concurrent,
                                                config.bulkhead->queue, text_of(config.bulkhead->wait))
                                  : "none");
  add("try_timeout", config.try_timeout ? text_of(*config.try_timeout) : "what is left of the deadline");
  // A kept-alive connection that was closed may be tried once more beyond the count (resilience, retry.hpp).
  report.attempts = config.retry.attempts > 1 ? config.retry.attempts + 1 : 1;
  return report;
}

void Platform::metrics(telemetry::MetricsPage&) {}

}  // namespace flotilla::app
