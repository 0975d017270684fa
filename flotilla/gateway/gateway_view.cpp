#include "flotilla/gateway/gateway_view.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/text.hpp"

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

// "no saga is named 'x'; did you mean 'y'?", of what is known.
Error unknown(const std::string& where, std::string_view kind, std::string_view name,
              std::span<const std::string_view> known) {
  std::string message = fmt::format("{}: no {} is named '{}'", where, kind, name);
  if (const auto hint = nearest(name, known)) {
    message += fmt::format("; did you mean '{}'?", *hint);
  }
  return {Errc::invalid, std::move(message)};
}

struct ActionCompiler {
  const Named& named;
  const std::string& path;
  GatewayRoute& route;

  Result<> operator()(const ProxyConfig& proxy) const {
    route.action_name = fmt::format("proxy {}", proxy.service.value());
    route.action = ProxyAction{proxy.service, proxy.strip_prefix, proxy.preserve_host};
    return {};
  }
  Result<> operator()(const ComposeConfig& compose) const {
    route.action_name = fmt::format("compose {}", compose.composition);
    const auto plan = named.compositions.find(compose.composition);
    if (plan == named.compositions.end()) {
      std::vector<std::string_view> known;
      for (const auto& [name, composition] : named.compositions) {
        known.emplace_back(name);
      }
      return std::unexpected(unknown(compose.where, "composition", compose.composition, known));
    }
    auto view = ComposeView::build(*plan->second, compose.only, compose.shape, compose.where);
    if (!view) {
      return std::unexpected(view.error());
    }
    route.action = ComposeAction{plan->second, std::move(*view)};
    return {};
  }
  Result<> operator()(const SagaConfig& saga) const {
    route.action_name = fmt::format("saga {}", saga.saga);
    if (std::ranges::find(named.sagas, saga.saga) == named.sagas.end()) {
      const std::vector<std::string_view> known(named.sagas.begin(), named.sagas.end());
      return std::unexpected(unknown(saga.where, "saga", saga.saga, known));
    }
    route.action = SagaAction{saga.saga, saga.wait};
    return {};
  }
  Result<> operator()(const CommandConfig& command) const {
    route.action_name = fmt::format("command {}", command.command);
    if (std::ranges::find(named.commands, command.command) == named.commands.end()) {
      const std::vector<std::string_view> known(named.commands.begin(), named.commands.end());
      return std::unexpected(unknown(command.where, "command", command.command, known));
    }
    route.action = CommandAction{command.command};
    return {};
  }
  Result<> operator()(const ViewConfig& view) const {
    route.action_name = fmt::format("view {}", view.view);
    if (std::ranges::find(named.views, view.view) == named.views.end()) {
      const std::vector<std::string_view> known(named.views.begin(), named.views.end());
      return std::unexpected(unknown(view.where, "view", view.view, known));
    }
    ViewAction action{.view = view.view, .has_key = view.key.has_value(), .key = {}};
    if (view.key) {
      auto key = call::parse_template(view.key->text);
      if (!key) {
        return std::unexpected(at(view.key->where, key.error()));
      }
      action.key = std::move(*key);
      if (auto good = check_key(*view.key, action.key); !good) {
        return good;
      }
    }
    route.action = std::move(action);
    return {};
  }
  Result<> check_key(const Text& key, const std::vector<call::TemplatePart>& parts) const {
    for (const call::TemplatePart& part : parts) {
      if (part.kind == call::TemplatePart::Kind::expression) {
        return fail(Errc::invalid, fmt::format("{}: an expression in the key of a view is not in this build "
                                               "yet; use parameters of the path, such as {{id}}",
                                               key.where));
      }
      if (part.kind == call::TemplatePart::Kind::parameter && !path.contains("{" + part.text + "}")) {
        return fail(Errc::invalid,
                    fmt::format("{}: '{{{}}}' is no parameter of {}", key.where, part.text, path));
      }
    }
    return {};
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

Result<std::shared_ptr<const CompiledGateway>> compile_gateway(const GatewayConfig& config,
                                                               const Named& named,
                                                               const net::CidrSet& trusted,
                                                               std::uint32_t workers,
                                                               const CompiledGateway* old) {
  std::unordered_map<std::string_view, std::shared_ptr<RouteMetrics>> known;
  if (old != nullptr) {
    for (const GatewayRoute& route : old->routes) {
      known.emplace(route.name, route.metrics);
    }
  }
  std::vector<RouteMatch> matches;
  std::vector<GatewayRoute> routes;
  for (const RouteConfig& configured : config.routes) {
    GatewayRoute route;
    route.name = name_of(configured.match);
    if (auto compiled = std::visit(ActionCompiler{named, configured.match.path, route}, configured.action);
        !compiled) {
      return std::unexpected(compiled.error());
    }
    const auto before = known.find(route.name);
    route.metrics = before != known.end() ? before->second : std::make_shared<RouteMetrics>(workers);
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

std::shared_ptr<GatewayView> make_view(std::shared_ptr<const CompiledGateway> gateway,
                                       std::shared_ptr<const call::ServiceTable> services,
                                       std::uint32_t worker, saga::Sagas* sagas, cqrs::ViewReader* views,
                                       cqrs::CommandRunner* commands) {
  auto view = std::make_shared<GatewayView>();
  view->routes.reserve(gateway->routes.size());
  for (const GatewayRoute& route : gateway->routes) {
    const auto* const proxy = std::get_if<ProxyAction>(&route.action);
    view->routes.push_back(
        {proxy == nullptr ? nullptr : services->find(proxy->service), &route.metrics->of(worker)});
  }
  view->gateway = std::move(gateway);
  view->services = std::move(services);
  view->worker = worker;
  view->sagas = sagas;
  view->views = views;
  view->commands = commands;
  return view;
}

}  // namespace flotilla::gateway
