// Consul's JSON objects, written exactly as its clients expect them (consul-api 2).
//
// For: consul_api. Each function writes one object at the writer's place; keys stand in Consul's order.
// Ownership: borrows everything. Threads: pure functions.
#pragma once

#include <vector>

#include "flotilla/discovery/core/catalog.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::discovery {

// The version that we answer as: clients branch on it.
inline constexpr std::string_view kConsulVersion = "1.21.4";

void write_node(json::Writer& out, const Node& node);
void write_agent_service(json::Writer& out, const Service& service, const Node& node,
                         std::string_view content_hash = {});
void write_service(json::Writer& out, const Service& service);  // health, catalog/node
void write_catalog_service(json::Writer& out, const Service& service,
                           const Node& node);  // catalog/service: flat
void write_check(json::Writer& out, const Check& check, const Node& node);
// agent/members and the Member of agent/self.
void write_member(json::Writer& out, const Node& node, std::uint16_t server_port);
void write_strings(json::Writer& out, const std::vector<std::string>& strings);

}  // namespace flotilla::discovery
