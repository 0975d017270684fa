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
#include "flotilla/app/kafka_config.hpp"
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
#include "flotilla/net/address.hpp"
#include "flotilla/saga/definition_reader.hpp"

namespace flotilla::app {
namespace {

using config::Node;
using config::Problems;
using config::Spec;

// A control port refuses requests for a Host it does not know, against pages that rebind their name to it.
template <class Control>
void add_hosts(Spec<Control>& spec) {
  spec.template field_with<std::vector<std::string>>(
      "hosts", config::list_of(config::text()),
      [](Control& control, std::vector<std::string> hosts, const Node& node, Problems& problems) {
        for (std::size_t i = 0; i < hosts.size(); ++i) {
          if (hosts[i].empty() || hosts[i].find_first_of(":/ *") != std::string::npos) {
            problems.add(node.items[i].place,
                         fmt::format("'{}' is no host name; write it without scheme, port and wildcard, such "
                                     "as flotilla or registry.example.com",
                                     hosts[i]));
          }
        }
        control.hosts = std::move(hosts);
      },
      "further names that clients may reach it by, without ports", "loopback and the address");
}

const Spec<ControlConfig>& admin_spec() {
  static const Spec<ControlConfig> spec = [] {
    Spec<ControlConfig> s("admin");
    s.field("listen", config::listen_address(), &ControlConfig::listen, "address of the management port",
            "127.0.0.1:9900");
    s.field("token", config::text(), &ControlConfig::token, "required beyond loopback; ${file:...}", "none");
    add_hosts(s);
    return s;
  }();
  return spec;
}

const Spec<ApiConfig>& api_spec() {
  static const Spec<ApiConfig> spec = [] {
    Spec<ApiConfig> s("api");
    s.field("listen", config::listen_address(), &ApiConfig::listen, "address of the application API",
            "127.0.0.1:9901");
    s.field("token", config::text(), &ApiConfig::token, "required beyond loopback; ${file:...}", "none");
    s.field("advertise", config::listen_address(), &ApiConfig::advertise,
            "IP:PORT at which the other processes of a shared journal reach this one", "`listen`");
    add_hosts(s);
    return s;
  }();
  return spec;
}

const Spec<RegistryConfig>& registry_spec() {
  static const Spec<RegistryConfig> spec = [] {
    Spec<RegistryConfig> s("registry");
    s.field("listen", config::listen_address(), &RegistryConfig::listen,
            "address of the Consul-compatible API", "127.0.0.1:8500");
    s.field("token", config::text(), &RegistryConfig::token, "required beyond loopback; ${file:...}", "none");
    add_hosts(s);
    s.field("allow_link_local", config::boolean(), &RegistryConfig::allow_link_local,
            "health checks may reach link-local addresses", "false");
    s.field_with<std::string>(
        "source", config::text(),
        [](RegistryConfig&, const std::string& source, const Node& node, Problems& problems) {
          if (source != "embedded") {
            problems.add(node.place,
                         fmt::format("the source '{}' is not in this build yet; use embedded", source));
          }
        },
        "where registrations are kept", "embedded");
    s.later("dns");
    return s;
  }();
  return spec;
}

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
  add_choreography_topics(file, add);
}

void check_listeners(const ConfigFile& file, const Node& root, Problems& problems) {
  std::set<std::string> taken;
  const auto check = [&](const std::string& listen, const Node* at, bool control, bool token) {
    const Node* const written = at == nullptr ? nullptr : at->find("listen");
    const config::Place place = written != nullptr ? written->place : at != nullptr ? at->place : root.place;
    const auto address = net::SocketAddress::parse(listen);
    if (!address) {
      problems.add(place, address.error().message);
      return;
    }
    if (address->port() != 0 && !taken.insert(address->to_string()).second) {
      problems.add(place, fmt::format("{} is listened on twice", listen));
    }
    if (control && !address->is_loopback() && !token) {
      problems.add(
          place,
          fmt::format("{} is beyond loopback: a control port there needs `token: ${{file:...}}`", listen));
    }
  };
  if (file.admin) {
    check(file.admin->listen, root.find("admin"), true, !file.admin->token.empty());
  }
  if (file.api) {
    check(file.api->listen, root.find("api"), true, !file.api->token.empty());
  }
  if (file.registry) {
    check(file.registry->listen, root.find("registry"), true, !file.registry->token.empty());
  }
  for (const gateway::GatewayConfig& gateway : file.gateways) {
    check(gateway.listen, root.find("gateways")->find(gateway.name), false, false);
  }
}

// Whoever owns a shard must be reached by the others.
void check_shared_journal(const ConfigFile& file, const Node& root, Problems& problems) {
  if (!is_postgres(file.stores.journal)) {
    return;
  }
  const Node& journal = *root.find("stores")->find("journal");
  if (!file.api) {
    problems.add(journal.place,
                 "a journal that several processes share needs `api`: there they ask each other");
    return;
  }
  const std::string& address = file.api->advertise.empty() ? file.api->listen : file.api->advertise;
  const auto parsed = net::SocketAddress::parse(address);
  if (parsed && (parsed->ip() == "0.0.0.0" || parsed->ip() == "::" || parsed->port() == 0)) {
    problems.add(root.find("api")->place,
                 fmt::format("{} is no address at which other processes reach this one: name it with "
                             "`advertise: IP:PORT`",
                             address));
  }
}

// A queue is of one service, and so far of one process.
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

constexpr std::string_view kReferenceHead = R"(# Configuration

One YAML file holds everything. `flotilla check FILE` says what is wrong with one, each problem with its line and
column; `flotilla schema` prints a JSON Schema for editors. This page is written by the program from the same
description it reads files with, and a test compares the two; `FLOTILLA_WRITE_DOCS=1` before the test rewrites it.

**Values.** A duration is a whole number with its unit: `250ms`, `5s`, `10m`, `1h`, `7d`. A size likewise: `512B`,
`64KiB`, `10MiB`, `2GiB`, in units of 1024. A share is `25%`, a rate `100/s`, `1000/m`, `5/h` or `10/d`. A number
without its unit is an error.

**Expansion.** In a value, `${NAME}` stands for an environment variable, `${NAME:-default}` for one that may be
missing, `${file:PATH}` for the content of a file, relative to the configuration file and without its final
newlines; `$${` stands for `${`.

**Refused.** Unknown keys, keys that stand twice, anchors, aliases, tags, a second document.
)";

std::string reference_tail() {
  return fmt::format(
      "\n## Bounds\n\nA file is at most {}, nested at most {} levels, with at most {} keys and values; all "
      "expansions "
      "together bring in at most {}.\n",
      config::show_size(config::kMostBytes), config::kMostDepth, config::kMostNodes,
      config::show_size(config::kMostExpanded));
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
      check_views(file, *root, problems);
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

std::string config_schema() {
  return fmt::format(
      R"({{"$schema":"http://json-schema.org/draft-07/schema#","title":"flotilla.yaml","type":"object",)"
      R"("additionalProperties":false,"properties":{{"flotilla":{{"const":1}},"workers":{{"type":"integer","minimum":1,"maximum":256}},)"
      R"("trusted_proxies":{{"type":"array","items":{{"type":"string"}}}},"admin":{},"api":{},"stores":{},"registry":{},"defaults":{},)"
      R"("services":{{"type":"object","additionalProperties":{}}},"gateways":{{"type":"object","additionalProperties":{}}},)"
      R"("compositions":{{"type":"object","additionalProperties":{}}},)"
      R"("sagas":{{"type":"object","additionalProperties":{}}},)"
      R"("topics":{{"type":"object","additionalProperties":{}}},)"
      R"("subscriptions":{{"type":"object","additionalProperties":{}}},)"
      R"("views":{{"type":"object","additionalProperties":{}}},)"
      R"("aggregates":{{"type":"object","additionalProperties":{}}},)"
      R"("choreographies":{{"type":"object","additionalProperties":{}}}}}}})",
      admin_spec().schema(), api_spec().schema(), stores_spec({}).schema(), registry_spec().schema(),
      call::defaults_spec().schema(), call::service_spec().schema(), gateway::gateway_schema(),
      gateway::composition_schema(), saga::saga_schema(), events::topic_schema(),
      events::subscription_schema(), cqrs::view_schema(), cqrs::aggregate_schema(),
      events::choreography_schema());
}

std::string config_reference() {
  std::string out(kReferenceHead);
  const auto table = [&out](std::string_view title, std::string_view about, const std::string& rows) {
    out += fmt::format("\n## {}\n\n{}\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n{}", title,
                       about, rows);
  };
  table("The file", "Every key may be left out.", file_spec({}, {}).reference());
  table("`admin`", "The management API; see [operations](operations.md).", admin_spec().reference());
  table("`api`", "The application API; only what the file names is opened. See [sagas](sagas.md).",
        api_spec().reference());
  table("`stores`", "Opened where the file names it, sagas, topics or queues. See [the journal](journal.md).",
        stores_spec({}).reference());
  table("`registry`", "See [discovery](discovery.md).", registry_spec().reference());
  table("`telemetry`", "Named by the design, refused so far.", telemetry_spec().reference());
  table("`services.NAME`",
        "A service without an entry, named by a route or a call, is discovered by its name and has the "
        "defaults. "
        "What the policies and fallbacks do stands in [resilience](resilience.md).",
        call::service_spec().reference());
  table("`defaults`", "What every service has that does not say otherwise.",
        call::defaults_spec().reference());
  table("`gateways.NAME`", "What a route may say stands in [routing](routing.md).",
        gateway::gateway_reference());
  out +=
      "\n## `compositions.NAME`\n\nA mapping of branch names to calls; the keys of a branch stand in "
      "[aggregation](aggregation.md).\n";
  table("`sagas.NAME`", "What a saga does, and how to write one, stands in [sagas](sagas.md).",
        saga::saga_reference());
  table("A step of a saga", "`sagas.NAME.steps` is a list of these, each `NAME: {...}`.",
        saga::step_reference());
  table("`topics.NAME`",
        "A topic that something names without an entry has the defaults. What topics do stands in "
        "[events](events.md).",
        events::topic_reference());
  table("`subscriptions.NAME`", "How events are delivered stands in [events](events.md#subscriptions).",
        events::subscription_reference());
  table("`views.NAME`", "What views are, and how they are read, stands in [views](views.md).",
        cqrs::view_reference());
  table("`aggregates.NAME`", "What aggregates and commands are stands in [commands](commands.md).",
        cqrs::aggregate_reference());
  table("`aggregates.NAME.commands.NAME`", "How a command is executed stands in [commands](commands.md).",
        cqrs::command_reference());
  table("`choreographies.NAME`",
        "What choreographies show, and what is told, stands in [choreographies](choreographies.md).",
        events::choreography_reference());
  out += reference_tail();
  return out;
}

}  // namespace flotilla::app
