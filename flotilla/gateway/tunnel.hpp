// An upgraded connection (WebSocket): bytes both ways until either side ends or nothing moves for
// kTunnelIdle.
//
// The call keeps its bulkhead slot meanwhile; for the breaker the 101 was its success.
#pragma once

#include "flotilla/call/answer.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::gateway {

inline constexpr Duration kTunnelIdle = std::chrono::minutes(10);

[[nodiscard]] net::Task<> tunnel(http::Exchange& exchange, call::LiveAnswer& answer);

}  // namespace flotilla::gateway
