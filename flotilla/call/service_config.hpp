// What the file says about one service: where it is and which policies protect calls to it (DESIGN 4.3).
//
// For: the configuration reader, which fills it, and the call layer, which builds a Service from it. The
// policies are the resilience cores' own types, so there is one vocabulary.
// Threads: plain values. Limits: checked where the file is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/strong.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/expr/core/program.hpp"
#include "flotilla/resilience/bulkhead.hpp"
#include "flotilla/resilience/core/balancer.hpp"
#include "flotilla/resilience/core/breaker_config.hpp"
#include "flotilla/resilience/core/outlier.hpp"
#include "flotilla/resilience/core/rate_limiter.hpp"
#include "flotilla/resilience/core/retry.hpp"
#include "flotilla/resilience/core/retry_budget.hpp"

namespace flotilla::call {

// A fixed address from `url` or `urls` (plain http in this build).
struct FixedUrl {
  std::string host;
  std::uint16_t port = 80;
  std::string path_prefix;  // of the url, without a final slash; put before every path
};

// What is answered instead when a call fails; tried in the order of the file.
struct RespondFallback {
  std::uint16_t status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // JSON text, or plain text
};
struct StaleFallback {
  Duration longest{0};  // how old a kept answer may be
};
struct ServiceFallback {
  ServiceName service;
};
// The call waits, durably, until the service is back (call/durable_queue.hpp).
struct QueueFallback {
  std::string name;
  std::optional<expr::Program> key;  // over the body: calls of one key keep their order; none: no order
  std::uint32_t items = 10'000;      // that may wait, dead letters included
  std::uint64_t bytes = std::uint64_t{64} << 20;
  Duration age = std::chrono::hours(24);       // then it is a dead letter
  Duration keep = std::chrono::hours(24 * 7);  // results
  double drain = 1;                            // calls a second at least
  std::uint32_t concurrency = 4;
  Duration timeout = std::chrono::seconds(5);  // of one attempt
  resilience::RetryPolicy retry{
      .attempts = 20, .first = std::chrono::seconds(1), .cap = std::chrono::minutes(5)};
  bool deduplicates = false;  // the service acts once for a key, also for one that the queue made up
  bool probe = true;          // it may be tried when the breaker's wait is over
  std::optional<RespondFallback> pending;  // what is answered; none: the id and where to ask
  std::string written;                     // as the file has it, to tell whether it changed
};
using Fallback = std::variant<RespondFallback, StaleFallback, ServiceFallback, QueueFallback>;

struct HealthConfig {
  std::string path = "/health";
  Duration every = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(2);
};

struct ServiceConfig {
  ServiceName name;
  std::vector<FixedUrl> urls;                  // empty: discovered by name
  Duration timeout = std::chrono::seconds(5);  // of a logical call, until its answer begins
  std::optional<Duration> try_timeout;         // of one attempt; none: what is left of `timeout`
  resilience::RetryPolicy retry;
  resilience::RetryBudgetConfig retry_budget;
  resilience::Balance balance = resilience::Balance::least_request;
  std::uint32_t pipelining = 1;  // safe requests of one instant that may share a connection
  std::optional<resilience::BreakerConfig> circuit_breaker;
  std::optional<resilience::BulkheadConfig> bulkhead;
  std::optional<resilience::RateLimit> rate_limit;
  std::optional<resilience::OutlierConfig> outlier;
  std::optional<HealthConfig> health;  // asked of each instance: unhealthy ones get no calls while others do
  std::vector<Fallback> fallbacks;
};

}  // namespace flotilla::call
