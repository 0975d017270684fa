#include "flotilla/app/config_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "flotilla/app/choreography_config.hpp"
#include "flotilla/app/command_config.hpp"
#include "flotilla/app/config_spec.hpp"
#include "flotilla/app/kafka_config.hpp"
#include "flotilla/app/port_config.hpp"
#include "flotilla/app/topic_config.hpp"
#include "flotilla/app/view_config.hpp"
#include "flotilla/call/core/call_template.hpp"
#include "flotilla/call/service_config_reader.hpp"
#include "flotilla/config/spec.hpp"
#include "flotilla/cqrs/aggregate_config_reader.hpp"
#include "flotilla/cqrs/view_config_reader.hpp"
#include "flotilla/events/choreography_config_reader.hpp"
#include "flotilla/events/personal_config_reader.hpp"
#include "flotilla/events/subscription_config_reader.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/gateway/gateway_config_reader.hpp"
#include "flotilla/saga/definition_reader.hpp"

namespace flotilla::app {
namespace {

using config::Node;
using config::Problems;
using config::Spec;

void read_services(const Node& node, ConfigFile& file, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to services", problems);
    return;
  }
  for (const Node::Entry& entry : node.entries) {
    call::ServiceConfig service = file.defaults;
    service.name = ServiceName(entry.key);
    call::service_spec().read(entry.value, service, problems);
    for (const call::Fallback& fallback : service.fallbacks) {
      const auto* const other = std::get_if<call::ServiceFallback>(&fallback);
      if (other != nullptr && other->service == service.name) {
        problems.add(entry.value.place, "a service cannot be its own fallback");
      }
    }
    file.service_places.emplace(service.name,
                                fmt::format("{}:{}:{}", file.path, entry.place.line, entry.place.column));
    file.services.push_back(std::move(service));
  }
}

// Services that routes, branches or fallbacks name without an entry of their own are discovered by name.
void add_named_services(ConfigFile& file) {
  std::set<ServiceName> known;
  for (const call::ServiceConfig& service : file.services) {
    known.insert(service.name);
  }
  const auto add = [&](const ServiceName& name) {
    if (!name.value().empty() && known.insert(name).second) {
      call::ServiceConfig service = file.defaults;
      service.name = name;
      file.services.push_back(std::move(service));
    }
  };
  for (const gateway::GatewayConfig& gateway : file.gateways) {
    for (const gateway::RouteConfig& route : gateway.routes) {
      if (const auto* const proxy = std::get_if<gateway::ProxyConfig>(&route.action)) {
        add(proxy->service);
      }
    }
  }
  for (const gateway::CompositionConfig& composition : file.compositions) {
    for (const gateway::BranchConfig& branch : composition.branches) {
      if (const auto call = call::CallTemplate::parse(branch.call.text)) {
        add(call->service());
      }
    }
  }
  for (const saga::DefinitionPtr& definition : file.sagas) {
    for (const ServiceName& name : saga::services_of(*definition)) {
      add(name);
    }
  }
  for (const events::SubscriptionPtr& subscription : file.subscriptions) {
    add(subscription->deliver->service());
  }
  for (const ServiceName& name : services_of(file.aggregates)) {
    add(name);
  }
  for (std::size_t i = 0; i < file.services.size(); ++i) {
    const std::vector<call::Fallback> fallbacks = file.services[i].fallbacks;  // add() moves the list
    for (const call::Fallback& fallback : fallbacks) {
      if (const auto* const other = std::get_if<call::ServiceFallback>(&fallback)) {
        add(other->service);
      }
    }
  }
}

// Topics that something names without an entry of their own have the defaults.
void add_named_topics(ConfigFile& file) {
  std::set<std::string> known;
  for (const events::TopicPtr& topic : file.topics) {
    known.insert(topic->name);
  }
  const auto add = [&](const std::string& name) {
    if (!name.empty() && known.insert(name).second) {
      file.topics.push_back(events::default_topic(name));
    }
  };
  if (!file.personal.empty()) {
    add(std::string(events::kErasedTopic));
  }
  for (const saga::DefinitionPtr& definition : file.sagas) {
    for (const saga::Publication& publication : definition->publish) {
      add(publication.topic);
    }
  }
  for (const events::SubscriptionPtr& subscription : file.subscriptions) {
    const events::SubscriptionPolicy& policy = subscription->policy;
    add(policy.topic);
    add(policy.dead_letter);
    add(policy.on_success);
    add(policy.on_failure);
  }
  for (const cqrs::ViewDefinitionPtr& view : file.views) {
    for (const std::string& topic : view->texts.from) {
      add(topic);
    }
  }
  for (const cqrs::AggregatePtr& aggregate : file.aggregates) {
    for (const cqrs::CommandPtr& command : aggregate->commands) {
      std::ranges::for_each(command->types, add);
    }
  }
  add_choreography_topics(file, add);
}

// A queue is of one service.
void check_queues(const ConfigFile& file, const Node& root, Problems& problems) {
  std::map<std::string, ServiceName> owners;
  for (const call::ServiceConfig& service : file.services) {
    for (const call::Fallback& fallback : service.fallbacks) {
      const auto* const queue = std::get_if<call::QueueFallback>(&fallback);
      if (queue == nullptr) {
        continue;
      }
      const Node* const entry = root.find("services")->find(service.name.value());
      const config::Place place = entry->find("fallback")->find("queue")->place;
      if (const auto [other, fresh] = owners.emplace(queue->name, service.name); !fresh) {
        problems.add(place, fmt::format("queue '{}' is that of service '{}': give this one another name",
                                        queue->name, other->second.value()));
      }
    }
  }
}

// A key whose mapping another spec reads, from the node.
using ReadPart = std::function<void(ConfigFile&, const Node&, Problems&)>;
void add_part(Spec<ConfigFile>& spec, const char* key, const char* meaning, ReadPart read) {
  auto mapping = config::json_value();
  mapping.form = "a mapping, below";
  spec.field_with<std::string>(
      key, mapping,
      [read = std::move(read)](ConfigFile& f, const std::string&, const Node& n, Problems& p) {
        read(f, n, p);
      },
      meaning);
}

void add_ports(Spec<ConfigFile>& spec) {
  add_part(spec, "admin", "management port", [](ConfigFile& f, const Node& n, Problems& p) {
    f.admin = ControlConfig{.listen = "127.0.0.1:9900", .token = {}, .hosts = {}};
    admin_spec().read(n, *f.admin, p);
  });
  add_part(spec, "api", "what services themselves call", [](ConfigFile& f, const Node& n, Problems& p) {
    f.api = ApiConfig{{.listen = "127.0.0.1:9901", .token = {}, .hosts = {}}, {}};
    api_spec().read(n, *f.api, p);
  });
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return std::nullopt;
  }
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

}  // namespace

const Spec<TelemetryConfig>& telemetry_spec() {
  static const Spec<TelemetryConfig> spec = [] {
    Spec<TelemetryConfig> s("telemetry");
    s.field("access_log", config::text(), &TelemetryConfig::access_log,
            "stdout or a file: a line of JSON a request", "off");
    s.later("traces");
    return s;
  }();
  return spec;
}

Spec<ConfigFile> file_spec(const std::string& path, const config::Sources& sources) {
  Spec<ConfigFile> spec("the file");
  spec.field_with<std::uint32_t>(
      "flotilla", config::integer(1, 1), [](ConfigFile&, std::uint32_t, const Node&, Problems&) {},
      "version of the file");
  spec.field("workers", config::integer(1, 256), &ConfigFile::workers, "threads that serve", "the cores");
  spec.field_with<std::vector<std::string>>(
      "trusted_proxies", config::list_of(config::text()),
      [](ConfigFile& f, std::vector<std::string> list, const Node& node, Problems& p) {
        for (std::size_t i = 0; i < list.size(); ++i) {
          if (const auto added = f.trusted.add(list[i]); !added) {
            p.add(node.items[i].place, added.error().message);
          }
        }
        f.trusted_proxies = std::move(list);
      },
      "networks whose X-Forwarded-*, traceparent and deadlines are believed", "none");
  add_ports(spec);
  add_part(spec, "stores", "where what must survive is kept",
           [path](ConfigFile& f, const Node& n, Problems& p) {
             f.stores.named = true;
             stores_spec(path).read(n, f.stores, p);
           });
  add_part(spec, "registry", "Consul-compatible registry", [](ConfigFile& f, const Node& n, Problems& p) {
    f.registry = RegistryConfig{{.listen = "127.0.0.1:8500", .token = {}, .hosts = {}}, false};
    registry_spec().read(n, *f.registry, p);
  });
  add_part(spec, "telemetry", "logs and traces",
           [](ConfigFile& f, const Node& n, Problems& p) { telemetry_spec().read(n, f.telemetry, p); });
  // Read before the services, whatever their order in the file: see parse_config.
  add_part(spec, "defaults", "policies of every service", [](ConfigFile&, const Node&, Problems&) {});
  add_part(spec, "services", "services and their policies",
           [](ConfigFile& f, const Node& n, Problems& p) { read_services(n, f, p); });
  add_part(spec, "gateways", "listeners and their routes", [path](ConfigFile& f, const Node& n, Problems& p) {
    f.gateways = gateway::read_gateways(n, path, p);
  });
  add_part(spec, "compositions", "answers made of several calls",
           [path](ConfigFile& f, const Node& n, Problems& p) {
             f.compositions = gateway::read_compositions(n, path, p);
           });
  add_part(spec, "sagas", "transactions across services",
           [path, &sources](ConfigFile& f, const Node& n, Problems& p) {
             Problems warnings;
             f.sagas = saga::read_sagas(n, sources, p, warnings);
             f.warnings = warnings.lines(path);
           });
  add_part(spec, "topics", "events, by name", [&sources](ConfigFile& f, const Node& n, Problems& p) {
    f.topics = events::read_topics(n, sources, p);
    f.personal = events::read_personal_topics(n);
  });
  add_part(
      spec, "subscriptions", "who is sent the events of which topic",
      [](ConfigFile& f, const Node& n, Problems& p) { f.subscriptions = events::read_subscriptions(n, p); });
  add_part(spec, "views", "what is read, folded from the events of topics",
           [](ConfigFile& f, const Node& n, Problems& p) { f.views = cqrs::read_views(n, p); });
  add_part(spec, "aggregates", "what is changed by commands, and decides by its own events",
           [&sources](ConfigFile& f, const Node& n, Problems& p) {
             f.aggregates = cqrs::read_aggregates(n, sources, p);
           });
  add_part(spec, "choreographies", "which events should follow which, and by when",
           [](ConfigFile& f, const Node& n, Problems& p) {
             f.choreographies = events::read_choreographies(n, p);
           });
  for (const char* key : {"migrations", "sidecar"}) {
    spec.later(key);
  }
  return spec;
}

bool has_queues(const ConfigFile& file) {
  return std::ranges::any_of(file.services, [](const call::ServiceConfig& service) {
    return std::ranges::any_of(service.fallbacks, [](const call::Fallback& fallback) {
      return std::holds_alternative<call::QueueFallback>(fallback);
    });
  });
}

std::expected<ConfigFile, ConfigErrors> parse_config(std::string_view text, const std::string& path,
                                                     const config::Sources& sources) {
  Problems problems;
  ConfigFile file;
  file.path = path;
  const auto root = config::parse_document(text, sources, problems);
  if (root) {
    if (const Node* const defaults = root->find("defaults")) {
      call::defaults_spec().read(*defaults, file.defaults, problems);
    }
    file_spec(path, sources).read(*root, file, problems);
    if (problems.empty()) {
      check_listeners(file, *root, problems);
      check_shared_journal(file, *root, problems);
      check_queues(file, *root, problems);
      check_aggregates(file, *root, problems);
      check_topics(file, *root, problems);
      check_kafka(file, *root, problems);
      check_choreographies(file, *root, problems);
    }
  }
  if (!problems.empty()) {
    return std::unexpected(problems.lines(path));
  }
  if (root) {
    warn_of_views(file, *root);
  }
  add_named_services(file);
  add_named_topics(file);
  add_kafka_topics(file);
  return file;
}

std::expected<ConfigFile, ConfigErrors> load_config(const std::string& path) {
  const auto text = read_file(path);
  if (!text) {
    return std::unexpected(
        ConfigErrors{fmt::format("{}: cannot be read; name the file as `flotilla up FILE`", path)});
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const config::Sources sources{
      .environment = [](const std::string& name) -> std::optional<std::string> {
        const char* const value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      },
      .file = [folder](const std::string& name) { return read_file(folder / name); }};
  return parse_config(*text, path, sources);
}

}  // namespace flotilla::app
