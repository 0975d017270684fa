// The whole file (DESIGN 4.3), read and cross-checked.
//
// Ownership: plain values. Threads: any. Limits: config/node.hpp.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/app/store_config.hpp"
#include "flotilla/call/service_config.hpp"
#include "flotilla/config/node.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/cqrs/core/view_definition.hpp"
#include "flotilla/events/core/choreography.hpp"
#include "flotilla/events/core/topic.hpp"
#include "flotilla/events/subscription.hpp"
#include "flotilla/gateway/gateway_config.hpp"
#include "flotilla/journal/core/personal.hpp"
#include "flotilla/net/cidr.hpp"
#include "flotilla/saga/core/definition.hpp"

namespace flotilla::app {

struct ControlConfig {
  std::string listen;
  std::string token;               // empty: none, allowed on loopback only
  std::vector<std::string> hosts;  // further names it is reached by, without ports
};

struct ApiConfig : ControlConfig {
  std::string advertise;  // where other processes reach it; empty: at `listen`
};

struct RegistryConfig : ControlConfig {
  bool allow_link_local = false;
};

struct TelemetryConfig {
  std::string access_log;  // "stdout" or a path; empty: off
};

struct ConfigFile {
  std::string path;
  std::uint32_t workers = 0;  // 0: the cores
  std::vector<std::string> trusted_proxies;
  net::CidrSet trusted;
  std::optional<ControlConfig> admin;
  std::optional<ApiConfig> api;
  std::optional<RegistryConfig> registry;
  call::ServiceConfig defaults;
  std::vector<call::ServiceConfig> services;          // every service the file names anywhere
  std::map<ServiceName, std::string> service_places;  // FILE:LINE:COLUMN of those with an entry
  std::vector<gateway::GatewayConfig> gateways;
  std::vector<gateway::CompositionConfig> compositions;
  std::vector<saga::DefinitionPtr> sagas;
  std::vector<events::TopicPtr> topics;  // every topic the file names anywhere
  std::map<std::string, journal::PersonalFields, std::less<>> personal;  // by topic
  std::vector<events::SubscriptionPtr> subscriptions;
  std::vector<cqrs::ViewDefinitionPtr> views;
  std::vector<cqrs::AggregatePtr> aggregates;
  std::vector<events::ChoreographyPtr> choreographies;
  StoresConfig stores;
  TelemetryConfig telemetry;
  std::vector<std::string> warnings;  // FILE:LINE:COLUMN: what is allowed, but should be looked at
};

// Whether a service has a `queue` fallback.
[[nodiscard]] bool has_queues(const ConfigFile& file);

// The lines of an error each begin with FILE:LINE:COLUMN.
using ConfigErrors = std::vector<std::string>;

[[nodiscard]] std::expected<ConfigFile, ConfigErrors> parse_config(std::string_view text,
                                                                   const std::string& path,
                                                                   const config::Sources& sources);
// Reads `path` with the process's environment; ${file:...} relative to the file.
[[nodiscard]] std::expected<ConfigFile, ConfigErrors> load_config(const std::string& path);

// What `flotilla schema` prints.
[[nodiscard]] std::string config_schema();

// docs/configuration.md: every key with its form, bounds, default and meaning.
[[nodiscard]] std::string config_reference();

}  // namespace flotilla::app
