// Reads `fallback:` of a service: what is answered instead when a call fails.
//
// Ownership, threads: pure functions. Limits: those of each fallback, below and in service_config.hpp.
#pragma once

#include <vector>

#include "flotilla/call/service_config.hpp"
#include "flotilla/config/spec.hpp"

namespace flotilla::call {

inline constexpr std::size_t kMostQueueName = 64;

// The order of the keys is the order in which they are tried; a `respond` behind `queue` is what is answered
// for a call that was queued, and for no other.
[[nodiscard]] config::Kind<std::vector<Fallback>> fallbacks();

}  // namespace flotilla::call
