#include "flotilla/app/port_config.hpp"

#include <set>

#include <fmt/format.h>

#include "flotilla/net/address.hpp"

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

}  // namespace

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

}  // namespace flotilla::app
