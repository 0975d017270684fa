#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/discovery/core/consul_decode.hpp"
#include "flotilla/discovery/core/consul_endpoints.hpp"
#include "flotilla/discovery/core/consul_shapes.hpp"

namespace flotilla::discovery {
namespace {

// Every `node-meta=KEY:VALUE` must hold of the (one) node, else the result is empty.
bool node_fits(const Registry& registry, const Call& call) {
  const auto& meta = registry.catalog().node().meta;
  return std::ranges::all_of(call.all("node-meta"), [&](std::string_view pair) {
    const std::size_t colon = std::min(pair.find(':'), pair.size());
    const auto found = meta.find(std::string(pair.substr(0, colon)));
    return found != meta.end() && found->second == pair.substr(std::min(colon + 1, pair.size()));
  });
}

std::vector<const Service*> wanted_instances(const Registry& registry, const Call& call) {
  std::vector<const Service*> found;
  if (!node_fits(registry, call)) {
    return found;
  }
  const auto tags = call.all("tag");
  for (const Service* service : registry.catalog().services_named(call.rest)) {
    const bool fits = std::ranges::all_of(tags, [&](std::string_view tag) {
      return std::ranges::any_of(service->tags, [&](const std::string& own) { return iequals(own, tag); });
    });
    if (fits) {
      found.push_back(service);
    }
  }
  return found;
}

http::Response list_checks(const Registry& registry, const std::vector<const Check*>& checks) {
  std::string body;
  json::Writer out(body);
  out.begin_array();
  for (const Check* check : checks) {
    write_check(out, *check, registry.catalog().node());
  }
  out.end();
  return json_answer(std::move(body));
}

bool names_node(const Node& node, std::string_view name) {
  return iequals(node.name, name) || iequals(node.id, name);
}

std::string server_address(const Registry& registry) {
  return fmt::format("{}:{}", registry.catalog().node().address, kServerPort);
}

}  // namespace

http::Response catalog_datacenters(Registry& registry, const Call&) {
  std::string body;
  json::Writer out(body);
  write_strings(out, {registry.catalog().node().datacenter});
  return json_answer(std::move(body));
}

http::Response catalog_nodes(Registry& registry, const Call& call) {
  std::string body;
  json::Writer out(body);
  out.begin_array();
  if (node_fits(registry, call)) {
    write_node(out, registry.catalog().node());
  }
  out.end();
  return json_answer(std::move(body));
}

http::Response catalog_services(Registry& registry, const Call& call) {
  std::map<std::string, std::set<std::string>> names;
  if (node_fits(registry, call)) {
    for (const Service* service : registry.catalog().services()) {
      names[service->name].insert(service->tags.begin(), service->tags.end());
    }
  }
  std::string body;
  json::Writer out(body);
  out.begin_object();
  for (const auto& [name, tags] : names) {
    out.key(name);
    write_strings(out, {tags.begin(), tags.end()});
  }
  out.end();
  return json_answer(std::move(body));
}

http::Response catalog_service(Registry& registry, const Call& call) {
  if (call.rest.empty()) {
    return text_answer(400, "Missing service name");
  }
  std::string body;
  json::Writer out(body);
  out.begin_array();
  for (const Service* service : wanted_instances(registry, call)) {
    write_catalog_service(out, *service, registry.catalog().node());
  }
  out.end();
  return json_answer(std::move(body));
}

http::Response catalog_node(Registry& registry, const Call& call) {
  const Catalog& catalog = registry.catalog();
  if (call.rest.empty()) {
    return text_answer(400, "Missing node name");
  }
  if (!names_node(catalog.node(), call.rest)) {
    return json_answer("null");
  }
  std::map<std::string_view, const Service*> services;
  for (const Service* service : catalog.services()) {
    services.emplace(service->id, service);
  }
  std::string body;
  json::Writer out(body);
  out.begin_object().key("Node");
  write_node(out, catalog.node());
  out.key("Services").begin_object();
  for (const auto& [id, service] : services) {
    out.key(id);
    write_service(out, *service);
  }
  out.end().end();
  return json_answer(std::move(body));
}

http::Response health_service(Registry& registry, const Call& call) {
  if (call.rest.empty()) {
    return text_answer(400, "Missing service name");
  }
  const auto passing = call.get("passing");
  const auto only_passing =
      !passing || passing->empty() ? std::optional(passing.has_value()) : parse_go_bool(*passing);
  if (!only_passing) {
    return text_answer(400, "Invalid value for ?passing; use true or false");
  }
  const Catalog& catalog = registry.catalog();
  std::string body;
  json::Writer out(body);
  out.begin_array();
  for (const Service* service : wanted_instances(registry, call)) {
    if (*only_passing && catalog.status_of(service->id) != Status::passing) {
      continue;
    }
    out.begin_object().key("Node");
    write_node(out, catalog.node());
    out.key("Service");
    write_service(out, *service);
    out.key("Checks").begin_array();
    for (const std::string_view owner :
         {std::string_view{}, std::string_view(service->id)}) {  // the node's first
      for (const Check* check : catalog.checks_of(owner)) {
        write_check(out, *check, catalog.node());
      }
    }
    out.end().end();
  }
  out.end();
  return json_answer(std::move(body));
}

http::Response health_checks(Registry& registry, const Call& call) {
  if (call.rest.empty()) {
    return text_answer(400, "Missing service name");
  }
  std::vector<const Check*> checks;
  if (node_fits(registry, call)) {
    for (const Check* check : registry.catalog().checks()) {
      if (!check->service_id.empty() && iequals(check->service_name, call.rest)) {
        checks.push_back(check);
      }
    }
  }
  return list_checks(registry, checks);
}

http::Response health_state(Registry& registry, const Call& call) {
  if (call.rest.empty()) {
    return text_answer(400, "Missing check state");
  }
  std::vector<const Check*> checks;
  if (node_fits(registry, call)) {
    checks = registry.catalog().checks();
    std::erase_if(checks,
                  [&](const Check* c) { return call.rest != "any" && call.rest != to_string(c->status); });
  }
  return list_checks(registry, checks);
}

http::Response health_node(Registry& registry, const Call& call) {
  if (call.rest.empty()) {
    return text_answer(400, "Missing node name");
  }
  const bool known = names_node(registry.catalog().node(), call.rest);
  return list_checks(registry, known ? registry.catalog().checks() : std::vector<const Check*>{});
}

http::Response status_leader(Registry& registry, const Call&) {
  return json_answer(fmt::format("\"{}\"", server_address(registry)));
}

http::Response status_peers(Registry& registry, const Call&) {
  return json_answer(fmt::format("[\"{}\"]", server_address(registry)));
}

}  // namespace flotilla::discovery
