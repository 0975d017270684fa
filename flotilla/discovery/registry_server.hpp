// The registry on one loop: answers Consul's API, parks blocking reads, sends health checks, tells the
// directory.
//
// Whatever a request or probe changed is published to the directory before the request is answered, so what
// is registered is visible to the gateways' next request. The directory's names are in lower case (names
// compare without case here). Listening, and the guard in front of a port beyond loopback, are the caller's.
// Ownership: borrows loop, resolver and directory; owns everything else. It begins when the loop runs.
// Destroy it before them, on the loop's thread, after the server that holds handler(). Threads: the loop's.
// Limits: kMostProbes probes at once; kMostBlocked parked reads, later ones are answered at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/base/counter.hpp"
#include "flotilla/discovery/core/consul_api.hpp"
#include "flotilla/discovery/directory.hpp"
#include "flotilla/http/api_server.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::discovery {

struct RegistryOptions {
  std::string node_name = "flotilla";
  std::string node_address = "127.0.0.1";  // what clients use for services without an address of their own
  std::string datacenter = "dc1";
  std::vector<std::uint16_t> control_ports;  // every control port of this process: never probed
  std::uint64_t seed = 1;                    // of jitter and of the node's ID
  std::uint64_t first_index = 1;  // above those of an earlier run, so that watchers notice the restart
};

struct RegistryCounters {
  Counter probes;
  Counter blocked;          // reads that were parked
  Counter refused_to_park;  // answered at once because kMostBlocked were parked
};

class RegistryServer {
 public:
  static constexpr std::size_t kMostBlocked = 8192;

  RegistryServer(net::Loop& loop, net::Resolver& resolver, Directory& directory,
                 const RegistryOptions& options);

  // For http::ApiServer; valid while this lives.
  [[nodiscard]] http::ApiHandler handler();

  [[nodiscard]] const Registry& registry() const { return registry_; }
  [[nodiscard]] const RegistryCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] net::Task<http::Response> serve(http::Request request);
  [[nodiscard]] net::Task<> tick();
  [[nodiscard]] net::Task<> probe(StartProbe start);
  // After every change: publishes, wakes reads, looks at the next deadline.
  void settle();

  net::Loop& loop_;
  net::Resolver& resolver_;
  Directory& directory_;
  Registry registry_;
  ConsulApi api_;
  RegistryCounters counters_;
  net::Event changed_;  // parked reads look again
  net::Event earlier_;  // the next deadline may have moved
  std::size_t blocked_ = 0;
  net::Scope tasks_;
};

}  // namespace flotilla::discovery
