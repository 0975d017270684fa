#include <map>

#include <fmt/format.h>

#include "flotilla/discovery/core/consul_decode.hpp"
#include "flotilla/discovery/core/consul_endpoints.hpp"
#include "flotilla/discovery/core/consul_shapes.hpp"

namespace flotilla::discovery {
namespace {

http::Response answer(const Result<>& result) {
  return result ? empty_answer() : error_answer(result.error());
}

// FNV-1a, 64 bits (Fowler, Noll, Vo): names a body's content; no secret.
std::string content_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return fmt::format("{:016x}", hash);
}

// The agent's own map compares IDs with case; the catalog lists without.
template <class Item>
std::map<std::string_view, const Item*> of_agent(const std::vector<const Item*>& items) {
  std::map<std::string_view, const Item*> sorted;
  for (const Item* item : items) {
    if (item->origin == Origin::agent) {
      sorted.emplace(item->id, item);
    }
  }
  return sorted;
}

http::Response report(Registry& registry, const Call& call, Status status) {
  return answer(registry.report(call.rest, status, std::string(call.value("note")), call.now));
}

http::Response maintenance(Registry& registry, const Call& call, std::string_view service_id) {
  const auto enable = parse_go_bool(call.value("enable"));
  if (!enable) {
    return text_answer(400, "Missing or invalid value for enable; use enable=true or enable=false");
  }
  if (call.value("reason").size() > limits::kNotesBytes) {
    return text_answer(400, fmt::format("reason is longer than {} bytes", limits::kNotesBytes));
  }
  return answer(registry.set_maintenance(service_id, *enable, call.value("reason")));
}

}  // namespace

http::Response register_service(Registry& registry, const Call& call) {
  auto registration = decode_service(call.body);
  if (!registration) {
    return error_answer(registration.error());
  }
  const auto replace = call.get("replace-existing-checks");
  registration->replace_checks = replace && (replace->empty() || *replace == "true");
  return answer(registry.register_service(std::move(*registration), call.now));
}

http::Response deregister_service(Registry& registry, const Call& call) {
  return answer(registry.deregister_service(call.rest));
}

http::Response service_maintenance(Registry& registry, const Call& call) {
  return call.rest.empty() ? text_answer(400, "Missing service ID") : maintenance(registry, call, call.rest);
}

http::Response node_maintenance(Registry& registry, const Call& call) {
  return maintenance(registry, call, "");
}

http::Response register_check(Registry& registry, const Call& call) {
  auto check = decode_check(call.body);
  return check ? answer(registry.register_check(std::move(*check), call.now)) : error_answer(check.error());
}

http::Response deregister_check(Registry& registry, const Call& call) {
  return answer(registry.deregister_check(call.rest));
}

http::Response pass_check(Registry& registry, const Call& call) {
  return report(registry, call, Status::passing);
}
http::Response warn_check(Registry& registry, const Call& call) {
  return report(registry, call, Status::warning);
}
http::Response fail_check(Registry& registry, const Call& call) {
  return report(registry, call, Status::critical);
}

http::Response update_check(Registry& registry, const Call& call) {
  auto update = decode_report(call.body);
  return update ? answer(registry.report(call.rest, update->status, std::move(update->output), call.now))
                : error_answer(update.error());
}

http::Response agent_services(Registry& registry, const Call&) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  for (const auto& [id, service] : of_agent(registry.catalog().services())) {
    out.key(id);
    write_agent_service(out, *service, registry.catalog().node());
  }
  out.end();
  return json_answer(std::move(body));
}

http::Response agent_service(Registry& registry, const Call& call) {
  const Service* service = registry.catalog().service(call.rest);
  if (service == nullptr || service->origin == Origin::platform) {
    return text_answer(404, fmt::format("unknown service ID: {}", call.rest));
  }
  std::string plain;
  json::Writer first(plain);
  write_agent_service(first, *service, registry.catalog().node());
  const std::string hash = content_hash(plain);
  std::string body;
  json::Writer out(body);
  write_agent_service(out, *service, registry.catalog().node(), hash);
  http::Response response = json_answer(std::move(body));
  response.headers.add("X-Consul-Contenthash", hash);
  return response;
}

http::Response agent_checks(Registry& registry, const Call&) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  for (const auto& [id, check] : of_agent(registry.catalog().checks())) {
    out.key(id);
    write_check(out, *check, registry.catalog().node());
  }
  out.end();
  return json_answer(std::move(body));
}

http::Response agent_self(Registry& registry, const Call&) {
  const Catalog& catalog = registry.catalog();
  const Node& node = catalog.node();
  std::string body;
  json::Writer out(body);
  out.begin_object().key("Config").begin_object().key("Datacenter").value(node.datacenter);
  out.key("PrimaryDatacenter")
      .value(node.datacenter)
      .key("NodeName")
      .value(node.name)
      .key("NodeID")
      .value(node.id);
  out.key("Revision").value("").key("Server").value(true).key("Version").value(kConsulVersion);
  out.key("BuildDate").value("1970-01-01T00:00:01Z").end();
  out.key("DebugConfig").raw("{}");
  out.key("Coord").raw(R"({"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":0.00001})");
  out.key("Member");
  write_member(out, node, kServerPort);
  out.key("Stats").begin_object().key("agent").begin_object();
  out.key("checks").value(fmt::format("{}", of_agent(catalog.checks()).size()));
  out.key("services").value(fmt::format("{}", of_agent(catalog.services()).size())).end();
  out.key("consul").begin_object().key("leader_addr").value(fmt::format("{}:{}", node.address, kServerPort));
  out.key("server").value("true").end().end();
  out.key("Meta").begin_object();
  for (const auto& [key, value] : node.meta) {
    out.key(key).value(value);
  }
  out.end().key("xDS").raw("{}").end();
  return json_answer(std::move(body));
}

http::Response agent_members(Registry& registry, const Call& call) {
  Node node = registry.catalog().node();
  if (!call.value("wan").empty()) {
    node.name += "." + node.datacenter;
  }
  std::string body;
  json::Writer out(body);
  out.begin_array();
  write_member(out, node, kServerPort);
  out.end();
  return json_answer(std::move(body));
}

}  // namespace flotilla::discovery
