// How one queue for later is kept and drained: what the engine needs of `fallback: { queue: {...} }`.
//
// Ownership: plain values. Threads: any. Limits: those of call/fallback_config_reader.hpp.
#pragma once

#include <cstdint>
#include <string>

#include "flotilla/base/time.hpp"
#include "flotilla/resilience/core/retry.hpp"

namespace flotilla::events {

struct QueuePolicy {
  std::string name;
  std::size_t items = 10'000;  // that wait, and dead letters
  std::uint64_t bytes = std::uint64_t{64} << 20;
  Duration age = std::chrono::hours(24);
  Duration timeout = std::chrono::seconds(5);  // of an attempt
  std::uint32_t concurrency = 4;
  resilience::RetryPolicy retry{
      .attempts = 20, .first = std::chrono::seconds(1), .cap = std::chrono::minutes(5)};
  bool deduplicates = false;  // the service acts once for a key, also for one that we made up
};

}  // namespace flotilla::events
