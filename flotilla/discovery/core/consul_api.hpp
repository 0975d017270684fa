// Consul's HTTP API over the registry: a request and the time in, an answer or a parked read out.
//
// For: RegistryServer. What is supported, and where we differ from Consul on purpose: docs/discovery.md.
// Blocking reads (consul-api 4): `index` at or above the scope's index parks the read; the shell wakes it
// when index(scope) passes or `deadline` comes and calls answer(). An index from the future (we were
// restarted) is answered at once.
// Ownership: borrows the registry. Threads: the registry's. Limits: wait <= 600 s, plus 1/16 jitter.
#pragma once

#include <variant>

#include "flotilla/base/random.hpp"
#include "flotilla/discovery/core/consul_call.hpp"
#include "flotilla/discovery/core/registry.hpp"

namespace flotilla::discovery {

struct BlockedRead {
  http::Request request;
  Scope scope;
  std::uint64_t index = 0;  // wake when the scope's index is above
  Instant deadline;
};

class ConsulApi {
 public:
  ConsulApi(Registry& registry, std::uint64_t seed) : registry_(registry), random_(seed) {}

  [[nodiscard]] std::variant<http::Response, BlockedRead> handle(const http::Request& request, Instant now);
  // The answer as it is now: of a read that waited long enough.
  [[nodiscard]] http::Response answer(const http::Request& request, Instant now);

 private:
  struct Wait {
    std::uint64_t index = 0;
    Duration time{};
  };
  [[nodiscard]] Result<Wait> read_wait(const Call& call);

  Registry& registry_;
  Random random_;
};

}  // namespace flotilla::discovery
