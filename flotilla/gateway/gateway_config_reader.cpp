#include "flotilla/gateway/gateway_config_reader.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/text.hpp"
#include "flotilla/config/spec.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::gateway {
namespace {

using namespace std::chrono_literals;
using config::Node;
using config::Problems;
using config::Spec;

constexpr std::string_view kActions[] = {"proxy", "compose", "saga",    "command",
                                         "view",  "respond", "redirect"};
constexpr std::string_view kLaterActions[] = {"migrate", "publish"};

std::string where(const std::string& file, config::Place place) {
  return fmt::format("{}:{}:{}", file, place.line, place.column);
}

const Spec<GatewayLimits>& limits_spec() {
  static const Spec<GatewayLimits> spec = [] {
    using L = GatewayLimits;
    Spec<L> s("limits");
    s.field_with<std::uint64_t>(
        "header", config::size(1024, 1 << 20),
        [](L& l, std::uint64_t bytes, const Node&, Problems&) {
          l.head.total = static_cast<std::uint32_t>(bytes);
        },
        "largest head of a request", "32KiB");
    s.field("body", config::size(0, std::uint64_t{1} << 40), &L::body, "largest body of a request", "10MiB");
    s.field("header_timeout", config::duration(1ms, 1h), &L::header_timeout, "first byte to end of a head",
            "10s");
    s.field("body_timeout", config::duration(1ms, 1h), &L::body_timeout, "between two reads of a body",
            "60s");
    s.field("idle", config::duration(1ms, 24h), &L::idle, "between two requests of a connection", "75s");
    s.field("connections", config::integer(1, 1'000'000), &L::connections, "open connections per worker",
            "16000");
    return s;
  }();
  return spec;
}

const Spec<ProxyConfig>& proxy_spec() {
  static const Spec<ProxyConfig> spec = [] {
    Spec<ProxyConfig> s("proxy");
    s.field_with<std::string>(
        "service", config::text(),
        [](ProxyConfig& c, std::string name, const Node&, Problems&) {
          c.service = ServiceName(std::move(name));
        },
        "where requests go");
    s.field("strip_prefix", config::text(), &ProxyConfig::strip_prefix, "taken off the path", "nothing");
    s.field("preserve_host", config::boolean(), &ProxyConfig::preserve_host, "send the client's Host",
            "false");
    s.required("service");
    return s;
  }();
  return spec;
}

const Spec<RespondConfig>& respond_spec() {
  static const Spec<RespondConfig> spec = [] {
    Spec<RespondConfig> s("respond");
    s.field_with<std::uint32_t>(
        "status", config::integer(200, 599),
        [](RespondConfig& c, std::uint32_t n, const Node&, Problems&) {
          c.status = static_cast<std::uint16_t>(n);
        },
        "status", "200");
    s.field_with<std::string>(
        "body", config::json_value(),
        [](RespondConfig& c, const std::string& json, const Node& node, Problems&) {
          const bool plain = node.kind == Node::Kind::scalar;
          c.body = plain ? node.text : json;
          c.headers.emplace_back("Content-Type", plain ? "text/plain; charset=utf-8" : "application/json");
        },
        "text, or a value sent as JSON");
    return s;
  }();
  return spec;
}

struct Redirect {
  std::string to;
  std::uint32_t status = 302;
  config::Place place;
};
const Spec<Redirect>& redirect_spec() {
  static const Spec<Redirect> spec = [] {
    Spec<Redirect> s("redirect");
    s.field_with<std::string>(
        "to", config::text(),
        [](Redirect& r, std::string to, const Node& node, Problems&) {
          r.to = std::move(to);
          r.place = node.place;
        },
        "where to; {name} is a route parameter");
    s.field("status", config::integer(301, 308), &Redirect::status, "status", "302");
    s.required("to");
    return s;
  }();
  return spec;
}

// What stands behind a route, in either form.
class RouteReader {
 public:
  RouteReader(const std::string& file, Problems& problems) : file_(file), problems_(problems) {}

  std::optional<RouteConfig> read(const Node& node) {
    if (node.kind != Node::Kind::map || node.entries.empty()) {
      config::wrong(node, "a route: METHOD PATH: service, or a mapping with match and an action", problems_);
      return std::nullopt;
    }
    return node.find("match") != nullptr ? long_form(node) : short_form(node);
  }

 private:
  // `GET /users/{id}: user-service`, `GET,PUT /x: { compose: y }`, `/p/**: service`.
  std::optional<RouteConfig> short_form(const Node& node) {
    const Node::Entry& entry = node.entries.front();
    if (node.entries.size() > 1) {
      problems_.add(node.entries[1].place, "a route in the short form is one line; use `match:` for more");
      return std::nullopt;
    }
    RouteConfig route;
    std::string_view path = entry.key;
    if (const std::size_t blank = path.find(' '); blank != std::string_view::npos && !path.starts_with('/')) {
      add_methods(route.match, path.substr(0, blank));
      path = trim(path.substr(blank + 1));
    }
    route.match.path = path;
    route.match.where = where(file_, entry.place);
    if (entry.value.kind == Node::Kind::scalar) {
      route.action =
          ProxyConfig{.service = ServiceName(entry.value.text), .where = where(file_, entry.value.place)};
      return route;
    }
    return read_action(entry.value, route) ? std::optional(std::move(route)) : std::nullopt;
  }

  std::optional<RouteConfig> long_form(const Node& node) {
    RouteConfig route;
    route.match.where = where(file_, node.place);
    read_match(*node.find("match"), route.match);
    Node action = node;
    std::erase_if(action.entries, [](const Node::Entry& e) { return e.key == "match"; });
    return read_action(action, route) ? std::optional(std::move(route)) : std::nullopt;
  }

  static void add_methods(RouteMatch& match, std::string_view list) {
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      match.methods.emplace_back(trim(list.substr(0, comma)));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
  }

  void read_match(const Node& node, RouteMatch& match) {
    static const Spec<RouteMatch> spec = [] {
      Spec<RouteMatch> s("match");
      s.field("path", config::text(), &RouteMatch::path, "pattern of the path");
      s.field("methods", config::list_of(config::text()), &RouteMatch::methods, "methods", "any");
      s.field("hosts", config::list_of(config::text()), &RouteMatch::hosts,
              "hosts; *.example.com for all below", "any");
      s.field_with<std::string>(
          "headers", config::json_value(),
          [](RouteMatch& m, const std::string&, const Node& n, Problems& problems) {
            if (n.kind != Node::Kind::map) {
              config::wrong(n, "a mapping of header names to values or ~REGEX", problems);
              return;
            }
            for (const Node::Entry& e : n.entries) {
              m.headers.push_back({e.key, e.value.text});
            }
          },
          "headers that must have these values, or match ~REGEX", "none");
      s.required("path");
      return s;
    }();
    spec.read(node, match, problems_);
  }

  static bool is_action(std::string_view key) {
    return std::ranges::find(kActions, key) != std::end(kActions);
  }
  static bool is_later(std::string_view action) {
    return std::ranges::find(kLaterActions, action) != std::end(kLaterActions);
  }
  // What stands beside an action and belongs to it.
  static bool belongs(std::string_view key, const Node& node) {
    return ((key == "only" || key == "shape") && node.find("compose") != nullptr) ||
           (key == "wait" && node.find("saga") != nullptr) || (key == "key" && node.find("view") != nullptr);
  }

  bool read_action(const Node& node, RouteConfig& route) {
    // What stands beside an action to come belongs to it, and is not judged.
    const bool later = std::ranges::any_of(node.entries, is_later, &Node::Entry::key);
    bool found = false;
    for (const Node::Entry& entry : node.entries) {
      if (is_action(entry.key)) {
        if (found) {
          problems_.add(entry.place, "a route has one action");
        }
        found = true;
        read_named(entry, node, route);
      } else if (is_later(entry.key) || entry.key == "plugins") {
        problems_.add(entry.place, fmt::format("'{}' is not in this build yet", entry.key));
        found = true;
      } else if (!later && !belongs(entry.key, node)) {
        problems_.add(entry.place,
                      fmt::format("unknown action '{}'; known are {}", entry.key, fmt::join(kActions, ", ")));
        found = true;
      }
    }
    if (!found) {
      problems_.add(node.place,
                    "a route needs an action: proxy, compose, saga, command, view, respond or redirect");
    }
    return found && problems_.empty();
  }

  void read_named(const Node::Entry& entry, const Node& node, RouteConfig& route) {
    if (entry.key == "proxy") {
      ProxyConfig proxy{.where = where(file_, entry.value.place)};
      if (entry.value.kind == Node::Kind::scalar) {
        proxy.service = ServiceName(entry.value.text);
      } else {
        proxy_spec().read(entry.value, proxy, problems_);
      }
      route.action = std::move(proxy);
    } else if (entry.key == "compose") {
      ComposeConfig compose{.where = where(file_, entry.value.place)};
      compose.composition = entry.value.text;
      if (const Node* const only = node.find("only")) {
        compose.only =
            config::list_of(config::text()).read(*only, problems_).value_or(std::vector<std::string>{});
      }
      if (const Node* const shape = node.find("shape")) {
        compose.shape = Text{shape->text, where(file_, shape->place)};
      }
      route.action = std::move(compose);
    } else if (entry.key == "saga") {
      SagaConfig saga{.saga = entry.value.text, .where = where(file_, entry.value.place)};
      if (entry.value.kind != Node::Kind::scalar || entry.value.text.empty()) {
        config::wrong(entry.value, "the name of a saga", problems_);
      }
      if (const Node* const wait = node.find("wait")) {
        saga.wait = config::duration(1ms, saga::kMaxWait).read(*wait, problems_).value_or(Duration::zero());
      }
      route.action = std::move(saga);
    } else if (entry.key == "command") {
      if (entry.value.kind != Node::Kind::scalar || entry.value.text.empty()) {
        config::wrong(entry.value, "the name of a command", problems_);
      }
      route.action = CommandConfig{entry.value.text, where(file_, entry.value.place)};
    } else if (entry.key == "view") {
      ViewConfig view{.view = entry.value.text, .key = {}, .where = where(file_, entry.value.place)};
      if (entry.value.kind != Node::Kind::scalar || entry.value.text.empty()) {
        config::wrong(entry.value, "the name of a view", problems_);
      }
      if (const Node* const key = node.find("key")) {
        if (key->kind != Node::Kind::scalar || key->text.empty()) {
          config::wrong(*key, "a template such as {user_id}", problems_);
        }
        view.key = Text{key->text, where(file_, key->place)};
      }
      route.action = std::move(view);
    } else if (entry.key == "respond") {
      RespondConfig respond;
      respond_spec().read(entry.value, respond, problems_);
      route.action = std::move(respond);
    } else {
      Redirect redirect;
      redirect_spec().read(entry.value, redirect, problems_);
      route.action = RedirectConfig{{redirect.to, where(file_, redirect.place)},
                                    static_cast<std::uint16_t>(redirect.status)};
    }
  }

  const std::string& file_;
  Problems& problems_;
};

std::vector<RouteConfig> read_routes(const Node& node, const std::string& file, Problems& problems) {
  std::vector<RouteConfig> routes;
  if (node.kind != Node::Kind::list) {
    config::wrong(node, "a list of routes", problems);
    return routes;
  }
  for (const Node& item : node.items) {
    if (auto route = RouteReader(file, problems).read(item)) {
      routes.push_back(std::move(*route));
    }
  }
  return routes;
}

Spec<GatewayConfig> gateway_spec(const std::string& file) {
  Spec<GatewayConfig> spec("a gateway");
  spec.field("listen", config::listen_address(), &GatewayConfig::listen, "address to listen on");
  spec.field_with<GatewayLimits>(
      "limits", limits_spec().kind(),
      [](GatewayConfig& g, GatewayLimits, const Node& n, Problems& p) { limits_spec().read(n, g.limits, p); },
      "bounds of requests");
  auto list = config::json_value();  // read from the node
  list.form = "a list of routes";
  spec.field_with<std::string>(
      "routes", list,
      [file](GatewayConfig& g, const std::string&, const Node& n, Problems& p) {
        g.routes = read_routes(n, file, p);
      },
      "routes in order");
  spec.later("kong_admin").later("plugins").later("tls");
  spec.required("listen").required("routes");
  return spec;
}

void read_branch(const Node& node, const std::string& file, BranchConfig& branch, Problems& problems) {
  if (node.kind == Node::Kind::scalar) {
    branch.call = Text{node.text, where(file, node.place)};
    return;
  }
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a call such as \"GET service/path\", or a mapping with call", problems);
    return;
  }
  for (const auto& [key, place, value] : node.entries) {
    if (key == "call") {
      branch.call = Text{value.text, where(file, value.place)};
    } else if (key == "body") {
      branch.body = Text{value.kind == Node::Kind::scalar ? value.text : config::to_json(value),
                         where(file, value.place)};
    } else if (key == "headers") {
      for (const auto& [name, at, text] : value.entries) {
        branch.headers.emplace_back(name, Text{text.text, where(file, text.place)});
      }
    } else if (key == "timeout") {
      branch.timeout = config::duration(1ms, 1h).read(value, problems);
    } else if (key == "optional") {
      branch.optional = config::boolean().read(value, problems).value_or(false);
    } else if (key == "default") {
      branch.fallback = config::to_json(value);
    } else if (key == "after") {
      branch.after =
          config::list_of(config::text()).read(value, problems).value_or(std::vector<std::string>{});
    } else if (key == "retry") {
      problems.add(place, "'retry' of a branch is not in this build yet; set it at the service");
    } else {
      constexpr std::string_view known[] = {"call",     "body",    "headers", "timeout",
                                            "optional", "default", "after"};
      const auto hint = nearest(key, known);
      problems.add(place, hint ? fmt::format("unknown key '{}'; did you mean '{}'?", key, *hint)
                               : fmt::format("unknown key '{}' (a branch)", key));
    }
  }
  if (branch.call.text.empty()) {
    problems.add(node.place, "'call' is missing (a branch)");
  }
}

}  // namespace

std::vector<GatewayConfig> read_gateways(const Node& node, const std::string& file, Problems& problems) {
  std::vector<GatewayConfig> gateways;
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to gateways", problems);
    return gateways;
  }
  for (const auto& [name, place, value] : node.entries) {
    GatewayConfig gateway{.name = name, .where = where(file, place)};
    gateway_spec(file).read(value, gateway, problems);
    gateways.push_back(std::move(gateway));
  }
  return gateways;
}

std::vector<CompositionConfig> read_compositions(const Node& node, const std::string& file,
                                                 Problems& problems) {
  std::vector<CompositionConfig> compositions;
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to compositions", problems);
    return compositions;
  }
  for (const auto& [name, place, value] : node.entries) {
    CompositionConfig composition{.name = name, .branches = {}, .where = where(file, place)};
    if (value.kind != Node::Kind::map) {
      config::wrong(value, "a mapping of branch names to calls", problems);
      continue;
    }
    for (const auto& [branch_name, branch_place, branch_node] : value.entries) {
      BranchConfig branch{.name = branch_name, .call = {}, .where = where(file, branch_place)};
      read_branch(branch_node, file, branch, problems);
      composition.branches.push_back(std::move(branch));
    }
    compositions.push_back(std::move(composition));
  }
  return compositions;
}

std::string gateway_schema() {
  return fmt::format(
      R"({{"type":"object","additionalProperties":false,"required":["listen","routes"],"properties":{{"listen":{},"limits":{},"routes":{{"type":"array","items":{{"type":"object"}}}}}}}})",
      config::listen_address().schema, limits_spec().schema());
}

std::string gateway_reference() { return gateway_spec({}).reference(); }

std::string composition_schema() {
  return R"({"type":"object","additionalProperties":{"type":["object","string"],"properties":{"call":{"type":"string"},"body":{},"headers":{"type":"object"},"timeout":{"type":"string"},"optional":{"type":"boolean"},"default":{},"after":{"type":"array","items":{"type":"string"}}},"additionalProperties":false}})";
}

}  // namespace flotilla::gateway
