// What the platform tells the admin API about itself.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/admin/metrics_collector.hpp"
#include "flotilla/admin/reports.hpp"
#include "flotilla/app/platform.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

// `service`: null for one that the file does not know.
admin::InstanceReport instance_report(const discovery::Instance& instance, call::Service* service) {
  const auto healthy = service != nullptr ? service->healthy_at(instance.host, instance.port) : nullptr;
  return {instance.id, fmt::format("{}:{}", instance.host, instance.port), instance.weight,
          healthy == nullptr || healthy->load()};
}

}  // namespace

discovery::InstanceList Platform::instances_of(const call::Service& service) const {
  discovery::InstanceList instances;
  for (const call::FixedUrl& url : service.config().urls) {
    instances.push_back(
        {.id = fmt::format("{}:{}", url.host, url.port), .host = url.host, .port = url.port, .tags = {}});
  }
  if (instances.empty()) {
    if (const auto list = directory_.find(ServiceName(to_lower(service.name().value())))) {
      instances = *list;
    }
  }
  return instances;
}

std::vector<admin::ServiceReport> Platform::services() {
  std::vector<admin::ServiceReport> reports;
  for (const auto& service : runtime_->services) {
    const bool fixed = !service->config().urls.empty();
    admin::ServiceReport report{
        .name = service->name().value(), .source = fixed ? "static" : "registry", .instances = {}};
    for (const discovery::Instance& instance : instances_of(*service)) {
      report.instances.push_back(instance_report(instance, service.get()));
    }
    reports.push_back(std::move(report));
  }
  // What is registered and no route names yet.
  for (const auto& [name, list] : directory_.all()) {
    const bool known =
        std::ranges::any_of(reports, [&](const auto& r) { return iequals(r.name, name.value()); });
    if (known) {
      continue;
    }
    admin::ServiceReport report{.name = name.value(), .source = "registry", .instances = {}};
    for (const discovery::Instance& instance : *list) {
      report.instances.push_back(instance_report(instance, nullptr));
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
    std::ranges::move(admin::route_reports(*gateway), std::back_inserter(reports));
  }
  if (!found) {
    return fail(Errc::not_found, fmt::format("no gateway is named '{}'", name));
  }
  return reports;
}

Result<admin::RouteExplanation> Platform::explain_route(std::string_view name, std::string_view method,
                                                        std::string_view url) {
  const gateway::CompiledGateway* const gateway = name.empty() && !runtime_->gateways.empty()
                                                      ? runtime_->gateways.front().get()
                                                      : runtime_->gateway(name);
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
    if (service->breaker() != nullptr) {
      reports.push_back(admin::breaker_report(*service, net::monotonic_now(), net::wall_now()));
    }
  }
  return reports;
}

Result<> Platform::set_breaker(std::string_view name, admin::BreakerVerb verb) {
  const auto service = runtime_->service(ServiceName(std::string(name)));
  if (!service || service->breaker() == nullptr) {
    return fail(Errc::not_found, fmt::format("no service '{}' with a circuit breaker", name));
  }
  admin::apply(verb, *service->breaker(), net::monotonic_now());
  return {};
}

Result<admin::ExplainReport> Platform::explain(std::string_view name) {
  const auto service = runtime_->service(ServiceName(std::string(name)));
  if (!service) {
    return fail(Errc::not_found, fmt::format("no service is named '{}'", name));
  }
  return admin::explain_report(service->config(), [this](const ServiceName& other) {
    const auto found = runtime_->service(other);
    return found ? &found->config() : nullptr;
  });
}

void Platform::metrics(telemetry::MetricsPage& page) {
  const Instant now = net::monotonic_now();
  for (const auto& service : runtime_->services) {
    admin::collect(*service, now, page);
    if (service->config().health) {
      constexpr telemetry::Family kHealthy{"flotilla_upstream_healthy",
                                           "1 while an instance passes the file's health check, else 0."};
      for (const discovery::Instance& instance : instances_of(*service)) {
        const admin::InstanceReport report = instance_report(instance, service.get());
        page.gauge(kHealthy, {{"service", service->name().value()}, {"instance", report.address}},
                   report.healthy ? 1 : 0);
      }
    }
  }
  for (const auto& gateway : runtime_->gateways) {
    admin::collect(*gateway, page);
    const std::string listener = "gateway " + gateway->name;
    for (const auto& worker : workers_) {
      if (const http::ServerCounters* const counters = worker->counters(gateway->name)) {
        admin::collect(listener, *counters, page);
      }
    }
  }
  for (const auto& server : control_servers_) {
    admin::collect("control", server->counters(), page);
  }
  if (sagas_) {
    sagas_->collect(page);
    events_->collect(page);
    queues_->runner().collect(page);
    views_->runner().collect(page);
    commands_->collect(page);
    choreographies_->collect(page);
  }
  if (kafka_) {
    kafka_->collect(page);
  }
  constexpr telemetry::Family kReloads{"flotilla_config_reloads_total", "Reloads of the file, by result."};
  page.counter(kReloads, {{"result", "done"}}, reloads_);
  page.counter(kReloads, {{"result", "failed"}}, failed_reloads_);
  if (access_log_) {
    constexpr telemetry::Family kLost{"flotilla_access_log_lost_lines_total",
                                      "Lines of the access log that a slow disk cost."};
    page.counter(kLost, {}, access_log_->dropped());
  }
}

}  // namespace flotilla::app
