#include "flotilla/app/command_config.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::app {
namespace {

bool has_queue(const call::ServiceConfig& service) {
  return std::ranges::any_of(service.fallbacks, [](const call::Fallback& fallback) {
    return std::holds_alternative<call::QueueFallback>(fallback);
  });
}

}  // namespace

std::vector<ServiceName> services_of(const std::vector<cqrs::AggregatePtr>& aggregates) {
  std::vector<ServiceName> names;
  for (const cqrs::AggregatePtr& aggregate : aggregates) {
    for (const cqrs::CommandPtr& command : aggregate->commands) {
      for (const cqrs::Check& check : command->checks) {
        names.push_back(check.call.service());
      }
    }
  }
  return names;
}

void check_aggregates(const ConfigFile& file, const config::Node& root, config::Problems& problems) {
  for (const cqrs::AggregatePtr& aggregate : file.aggregates) {
    for (const cqrs::CommandPtr& command : aggregate->commands) {
      for (const cqrs::Check& check : command->checks) {
        const auto service =
            std::ranges::find(file.services, check.call.service(), &call::ServiceConfig::name);
        if (service == file.services.end() || !has_queue(*service)) {
          continue;
        }
        const config::Node* const entry =
            root.find("aggregates")->find(aggregate->name)->find("commands")->find(command->name);
        problems.add(entry->find("check")->place,
                     fmt::format("check: service '{}' has a queue for later, and a check must be answered at "
                                 "once: give the checks a service of their own, with the same url",
                                 check.call.service().value()));
      }
    }
  }
}

}  // namespace flotilla::app
