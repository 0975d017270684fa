// Keeps a service registered with Consul's HTTP API: what any service in any language would do.
//
// Registers with an HTTP check on /health, looks every few seconds whether the registry still knows it (it
// may have restarted) and registers again if not; retries for as long as the registry is away.
// Threads: the loop's. Limits: one request at a time, each with a deadline.
#pragma once

#include <string>

#include "flotilla/net/address.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace shop {

struct Registration {
  flotilla::net::SocketAddress registry;  // "127.0.0.1:8500"
  std::string name;                       // "user-service"
  std::string id;                         // "user-service-7001"
  flotilla::net::SocketAddress service;
};

// Runs until destroyed.
[[nodiscard]] flotilla::net::Task<> keep_registered(flotilla::net::Loop& loop, Registration registration);
// Once; a registry that is away will see the health check fail instead.
[[nodiscard]] flotilla::net::Task<> deregister(flotilla::net::Loop& loop, Registration registration);

}  // namespace shop
