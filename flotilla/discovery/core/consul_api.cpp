#include "flotilla/discovery/core/consul_api.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/discovery/core/consul_endpoints.hpp"
#include "flotilla/discovery/core/go_duration.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::discovery {
namespace {

constexpr Duration kDefaultWait = std::chrono::seconds{300};
constexpr Duration kMostWait = std::chrono::seconds{600};

struct Route {
  std::string_view path;  // one that ends in '/' takes the rest of the path
  std::string_view method;
  Endpoint endpoint;
  std::optional<Scope::Kind> scope;  // of reads that send an index and may block
};

using enum Scope::Kind;
constexpr auto kAgent = std::nullopt;
constexpr std::array kRoutes{
    Route{"agent/service/register", "PUT", register_service, kAgent},
    Route{"agent/service/deregister/", "PUT", deregister_service, kAgent},
    Route{"agent/service/maintenance/", "PUT", service_maintenance, kAgent},
    Route{"agent/service/", "GET", agent_service, kAgent},
    Route{"agent/services", "GET", agent_services, kAgent},
    Route{"agent/check/register", "PUT", register_check, kAgent},
    Route{"agent/check/deregister/", "PUT", deregister_check, kAgent},
    Route{"agent/check/pass/", "PUT", pass_check, kAgent},
    Route{"agent/check/warn/", "PUT", warn_check, kAgent},
    Route{"agent/check/fail/", "PUT", fail_check, kAgent},
    Route{"agent/check/update/", "PUT", update_check, kAgent},
    Route{"agent/checks", "GET", agent_checks, kAgent},
    Route{"agent/maintenance", "PUT", node_maintenance, kAgent},
    Route{"agent/self", "GET", agent_self, kAgent},
    Route{"agent/members", "GET", agent_members, kAgent},
    Route{"catalog/datacenters", "GET", catalog_datacenters, kAgent},
    Route{"catalog/nodes", "GET", catalog_nodes, nodes},
    Route{"catalog/services", "GET", catalog_services, services},
    Route{"catalog/service/", "GET", catalog_service, service},
    Route{"catalog/node/", "GET", catalog_node, node},
    Route{"health/service/", "GET", health_service, service},
    Route{"health/checks/", "GET", health_checks, checks},
    Route{"health/state/", "GET", health_state, checks},
    Route{"health/node/", "GET", health_node, checks},
    Route{"status/leader", "GET", status_leader, kAgent},
    Route{"status/peers", "GET", status_peers, kAgent},
};

// Parts of Consul that are known and not here, so that a client gets a sentence and not a puzzle.
constexpr std::array<std::string_view, 10> kNotYet{
    "kv/",         "session/",  "txn",   "event/", "query", "catalog/register", "catalog/deregister",
    "coordinate/", "operator/", "config"};

const Route* find_route(Call& call) {
  constexpr std::string_view prefix = "/v1/";
  if (!call.path.starts_with(prefix)) {
    return nullptr;
  }
  const std::string_view path = std::string_view(call.path).substr(prefix.size());
  for (const Route& route : kRoutes) {
    const bool takes_rest = route.path.ends_with('/');
    if (takes_rest ? path.starts_with(route.path) : path == route.path) {
      call.rest = path.substr(route.path.size());
      return &route;
    }
  }
  return nullptr;
}

http::Response no_route(const Call& call) {
  if (call.path == "/") {
    return text_answer(200, "flotilla registry: Consul's HTTP API under /v1/\n");
  }
  const std::string_view path =
      std::string_view(call.path).substr(std::min<std::size_t>(4, call.path.size()));
  if (call.path.starts_with("/v1/acl/") || call.path.starts_with("/v1/agent/token/")) {
    return text_answer(401, "ACL support disabled");
  }
  if (call.path.starts_with("/v1/") &&
      std::ranges::any_of(kNotYet, [&](std::string_view part) { return path.starts_with(part); })) {
    return text_answer(501, fmt::format("{} is not in this build yet", call.path));
  }
  return text_answer(404, fmt::format("Invalid URL path: not a recognized HTTP API endpoint: {}", call.path));
}

// What every endpoint refuses in the same way, or nothing.
std::optional<http::Response> refuse_common(const Registry& registry, const http::Request& request,
                                            const Call& call) {
  const auto enterprise = [](std::string_view value) { return !value.empty() && value != "default"; };
  if (enterprise(call.value("ns")) || enterprise(call.value("partition")) || enterprise(call.value("ap")) ||
      enterprise(request.headers.get("X-Consul-Namespace").value_or("")) ||
      enterprise(request.headers.get("X-Consul-Partition").value_or(""))) {
    return text_answer(400, "Invalid parameter: namespaces and partitions are a Consul Enterprise feature");
  }
  const std::string_view datacenter = call.has("datacenter") ? call.value("datacenter") : call.value("dc");
  if (!datacenter.empty() && datacenter != registry.catalog().node().datacenter) {
    return text_answer(500, "No path to datacenter");
  }
  if (!call.value("filter").empty()) {
    return text_answer(400, "filter= is not in this build yet; use tag=, passing or node-meta=");
  }
  if (call.has("consistent") && (call.has("stale") || call.has("cached"))) {
    return text_answer(400, "Cannot specify ?consistent with ?stale or ?cached, conflicting semantics.");
  }
  if (!call.value("max_stale").empty() && !parse_go_duration(call.value("max_stale"))) {
    return text_answer(400, "Invalid max_stale; write a duration like 10s");
  }
  return std::nullopt;
}

Scope scope_of(const Route& route, const Call& call) {
  return {*route.scope, *route.scope == Scope::Kind::service ? to_lower(call.rest) : std::string{}};
}

// Four spaces a level, as Consul's: json::write gives two.
std::string indent_json(const std::string& compact) {
  const auto value = json::parse(compact, {.depth = json::kDefaultDepth, .size = compact.size()});
  if (!value) {
    return compact;
  }
  std::string out;
  bool leading = true;
  for (const char c : json::write(*value, json::Style::pretty)) {
    leading = c == '\n' || (leading && c == ' ');
    out.append(leading && c == ' ' ? 2 : 1, c);
  }
  return out.ends_with('\n') ? out : out + '\n';
}

}  // namespace

Result<ConsulApi::Wait> ConsulApi::read_wait(const Call& call) {
  Wait wait;
  if (const std::string_view text = call.value("index"); !text.empty()) {
    const auto index = parse_int<std::uint64_t>(text);
    if (!index) {
      return fail(Errc::invalid, "Invalid index");
    }
    wait.index = *index;
  }
  wait.time = kDefaultWait;
  if (const std::string_view text = call.value("wait"); !text.empty()) {
    const auto time = parse_go_duration(text);
    if (!time) {
      return fail(Errc::invalid, "Invalid wait time");
    }
    wait.time = *time > Duration{0} ? std::min(*time, kMostWait) : kDefaultWait;
  }
  return wait;
}

std::variant<http::Response, BlockedRead> ConsulApi::handle(const http::Request& request, Instant now) {
  auto call = read_call(request, now);
  const Route* route = call ? find_route(*call) : nullptr;
  if (route == nullptr || !route->scope || request.method != route->method ||
      refuse_common(registry_, request, *call)) {
    return answer(request, now);
  }
  const auto wait = read_wait(*call);
  if (!wait) {
    return error_answer(wait.error());
  }
  Scope scope = scope_of(*route, *call);
  const Catalog& catalog = registry_.catalog();
  if (wait->index == 0 || wait->index > catalog.index() || catalog.index(scope) > wait->index) {
    return answer(request, now);
  }
  // A read that will be refused must not wait first.
  if (http::Response early = answer(request, now); early.status != 200) {
    return early;
  }
  const auto jitter =
      static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(wait->time.count() / 16)));
  return BlockedRead{.request = request,
                     .scope = std::move(scope),
                     .index = wait->index,
                     .deadline = saturating_add(now, wait->time + Duration{jitter})};
}

http::Response ConsulApi::answer(const http::Request& request, Instant now) {
  auto call = read_call(request, now);
  if (!call) {
    return error_answer(call.error());
  }
  const Route* route = find_route(*call);
  if (route == nullptr) {
    return no_route(*call);
  }
  if (request.method != route->method) {
    http::Response response = request.method == "OPTIONS"
                                  ? empty_answer()
                                  : text_answer(405, fmt::format("method {} not allowed", request.method));
    response.headers.add("Allow", fmt::format("OPTIONS,{}", route->method));
    return response;
  }
  if (auto refused = refuse_common(registry_, request, *call)) {
    return *std::move(refused);
  }
  http::Response response = route->endpoint(registry_, *call);
  response.headers.add("X-Consul-Default-ACL-Policy", "allow");
  if (route->scope) {
    const std::string_view consistency = call->has("consistent") ? "consistent"
                                         : call->has("stale")    ? "stale"
                                                                 : "leader";
    response.headers.add("X-Consul-Index",
                         fmt::format("{}", registry_.catalog().index(scope_of(*route, *call))));
    response.headers.add("X-Consul-Knownleader", "true");
    response.headers.add("X-Consul-Lastcontact", "0");
    response.headers.add("X-Consul-Effective-Consistency", std::string(consistency));
  }
  if (call->has("pretty") && response.headers.get("Content-Type") == "application/json") {
    response.body = indent_json(response.body);
  }
  return response;
}

}  // namespace flotilla::discovery
