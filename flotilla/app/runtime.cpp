#include "flotilla/app/runtime.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"

namespace flotilla::app {

std::shared_ptr<call::Service> Runtime::service(const ServiceName& name) const {
  const auto found = std::ranges::find(services, name, [](const auto& service) { return service->name(); });
  return found == services.end() ? nullptr : *found;
}

const gateway::CompiledGateway* Runtime::gateway(std::string_view name) const {
  const auto found = std::ranges::find(gateways, name, [](const auto& gateway) { return gateway->name; });
  return found == gateways.end() ? nullptr : found->get();
}

Result<std::shared_ptr<const Runtime>> compile_runtime(ConfigFile file, std::uint32_t workers, Instant now,
                                                       std::uint64_t seed, const Runtime* old) {
  auto runtime = std::make_shared<Runtime>();
  runtime->workers = workers;
  for (const call::ServiceConfig& config : file.services) {
    const auto before = old == nullptr ? nullptr : old->service(config.name);
    auto service = call::Service::create(config, workers, now, seed++, before.get());
    if (!service) {
      const auto place =
          file.service_places.find(config.name);  // a service without an entry has the defaults
      return fail(
          service.error().code,
          fmt::format("{}: {}", place == file.service_places.end() ? file.path + ":1:1" : place->second,
                      service.error().message));
    }
    runtime->services.push_back(std::move(*service));
  }
  gateway::Named named;
  for (const gateway::CompositionConfig& config : file.compositions) {
    auto plan = gateway::ComposePlan::build(config);
    if (!plan) {
      return std::unexpected(plan.error());
    }
    named.compositions.emplace(config.name, std::make_shared<const gateway::ComposePlan>(std::move(*plan)));
  }
  for (const saga::DefinitionPtr& definition : file.sagas) {
    named.sagas.push_back(definition->name);
  }
  for (const cqrs::ViewDefinitionPtr& view : file.views) {
    named.views.push_back(view->name);
  }
  for (const cqrs::AggregatePtr& aggregate : file.aggregates) {
    for (const cqrs::CommandPtr& command : aggregate->commands) {
      named.commands.push_back(command->name);
    }
  }
  for (const gateway::GatewayConfig& config : file.gateways) {
    auto gateway = gateway::compile_gateway(config, named, file.trusted, workers,
                                            old == nullptr ? nullptr : old->gateway(config.name));
    if (!gateway) {
      return std::unexpected(gateway.error());
    }
    for (const gateway::RouteFinding& finding : (*gateway)->router.findings()) {
      log::warning("{}", finding.message);
    }
    runtime->gateways.push_back(std::move(*gateway));
  }
  runtime->file = std::move(file);
  return runtime;
}

}  // namespace flotilla::app
