// A configuration, compiled: services with their policies' state, gateways with their routes.
//
// Built beside the running one; workers take it over whole or not at all. What continues (breakers, counters)
// is carried over from the one before.
// Ownership: shared_ptr, by the platform and by the workers' views. Threads: built on the control thread,
// read by all. Limits: those of the file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flotilla/app/config_file.hpp"
#include "flotilla/base/error.hpp"
#include "flotilla/call/service.hpp"
#include "flotilla/gateway/gateway_view.hpp"

namespace flotilla::app {

struct Runtime {
  ConfigFile file;
  std::uint32_t workers = 1;
  std::vector<std::shared_ptr<call::Service>> services;  // in order of the file
  std::vector<std::shared_ptr<const gateway::CompiledGateway>> gateways;

  [[nodiscard]] std::shared_ptr<call::Service> service(const ServiceName& name) const;
  [[nodiscard]] const gateway::CompiledGateway* gateway(std::string_view name) const;
};

// `old`, if any, is what runs now. Errors carry the place in the file.
[[nodiscard]] Result<std::shared_ptr<const Runtime>> compile_runtime(ConfigFile file, std::uint32_t workers,
                                                                     Instant now, std::uint64_t seed,
                                                                     const Runtime* old);

}  // namespace flotilla::app
