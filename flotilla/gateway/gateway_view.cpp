#include "flotilla/gateway/gateway_view.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace flotilla::gateway {
namespace {

std::string name_of(const RouteMatch& match) {
  std::string name =
      match.methods.empty() ? match.path : fmt::format("{} {}", fmt::join(match.methods, ","), match.path);
  if (!match.hosts.empty()) {
    name += fmt::format(" on {}", fmt::join(match.hosts, ","));
  }
  for (const HeaderCondition& header : match.headers) {
    name += fmt::format(" if {}: {}", header.name, header.value);
  }
  return name;
}

Error at(const std::string& where, const Error& error) {
  return {error.code, fmt::format("{}: {}", where, error.message)};
}

struct ActionCompiler {
  const std::vector<CompositionConfig>& compositions;
  CompiledRoute& route;

  Result<> operator()(const ProxyConfig& proxy) const {
    route.action_name = fmt::format("proxy {}", proxy.service.value());
    route.action = ProxyAction{proxy.service, proxy.strip_prefix, proxy.preserve_host};
    return {};
  }
  Result<> operator()(const ComposeConfig& compose) const {
    route.action_name = fmt::format("compose {}", compose.composition);
    return fail(Errc::unsupported, fmt::format("{}: compose is not in this build yet", compose.where));
  }
  Result<> operator()(const RespondConfig& respond) const {
    route.action_name = fmt::format("respond {}", respond.status);
    route.action = RespondAction{respond};
    return {};
  }
  Result<> operator()(const RedirectConfig& redirect) const {
    auto to = call::parse_template(redirect.to.text);
    if (!to) {
      return std::unexpected(at(redirect.to.where, to.error()));
    }
    route.action_name = fmt::format("redirect {}", redirect.to.text);
    route.action = RedirectAction{std::move(*to), redirect.status};
    return {};
  }
};

}  // namespace

Result<std::shared_ptr<const CompiledGateway>> compile_gateway(
    const GatewayConfig& config, const std::vector<CompositionConfig>& compositions,
    const net::CidrSet& trusted, std::uint32_t workers, const CompiledGateway* old) {
  std::vector<RouteMatch> matches;
  std::vector<CompiledRoute> routes;
  for (const RouteConfig& configured : config.routes) {
    CompiledRoute route;
    route.name = name_of(configured.match);
    if (auto compiled = std::visit(ActionCompiler{compositions, route}, configured.action); !compiled) {
      return std::unexpected(compiled.error());
    }
    if (old != nullptr) {
      for (const CompiledRoute& before : old->routes) {
        if (before.name == route.name) {
          route.metrics = before.metrics;
        }
      }
    }
    if (!route.metrics) {
      route.metrics = std::make_shared<RouteMetrics>(workers);
    }
    matches.push_back(configured.match);
    routes.push_back(std::move(route));
  }
  auto router = Router::build(matches);
  if (!router) {
    return std::unexpected(router.error());
  }
  return std::make_shared<const CompiledGateway>(
      CompiledGateway{.name = config.name,
                      .listen = config.listen,
                      .limits = config.limits,
                      .router = std::move(*router),
                      .routes = std::move(routes),
                      .unrouted = old != nullptr ? old->unrouted : std::make_shared<RouteMetrics>(workers),
                      .trusted = trusted});
}

}  // namespace flotilla::gateway
