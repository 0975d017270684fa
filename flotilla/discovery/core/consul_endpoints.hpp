// The endpoints of the Consul API as functions of the registry; consul_api routes to them.
//
// For: consul_api only. consul_agent.cpp holds what agents answer, consul_catalog.cpp what servers do.
// Ownership: borrow the registry. Threads: the registry's.
#pragma once

#include "flotilla/discovery/core/consul_call.hpp"
#include "flotilla/discovery/core/registry.hpp"

namespace flotilla::discovery {

// The registry says so of the service `consul`; nothing listens there.
inline constexpr std::uint16_t kServerPort = 8300;

using Endpoint = http::Response (*)(Registry& registry, const Call& call);

// Agent.
http::Response register_service(Registry& registry, const Call& call);
http::Response deregister_service(Registry& registry, const Call& call);
http::Response service_maintenance(Registry& registry, const Call& call);
http::Response node_maintenance(Registry& registry, const Call& call);
http::Response register_check(Registry& registry, const Call& call);
http::Response deregister_check(Registry& registry, const Call& call);
http::Response pass_check(Registry& registry, const Call& call);
http::Response warn_check(Registry& registry, const Call& call);
http::Response fail_check(Registry& registry, const Call& call);
http::Response update_check(Registry& registry, const Call& call);
http::Response agent_services(Registry& registry, const Call& call);
http::Response agent_service(Registry& registry, const Call& call);
http::Response agent_checks(Registry& registry, const Call& call);
http::Response agent_self(Registry& registry, const Call& call);
http::Response agent_members(Registry& registry, const Call& call);

// Catalog, health, status.
http::Response catalog_datacenters(Registry& registry, const Call& call);
http::Response catalog_nodes(Registry& registry, const Call& call);
http::Response catalog_services(Registry& registry, const Call& call);
http::Response catalog_service(Registry& registry, const Call& call);
http::Response catalog_node(Registry& registry, const Call& call);
http::Response health_service(Registry& registry, const Call& call);
http::Response health_checks(Registry& registry, const Call& call);
http::Response health_state(Registry& registry, const Call& call);
http::Response health_node(Registry& registry, const Call& call);
http::Response status_leader(Registry& registry, const Call& call);
http::Response status_peers(Registry& registry, const Call& call);

}  // namespace flotilla::discovery
