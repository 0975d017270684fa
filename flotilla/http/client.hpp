// A small HTTP client for the platform's own traffic: health checks, the command line, registrations.
//
// Calls to services on behalf of clients do not use this: they go through flotilla/call and its policies.
// Ownership: owns its connections. Threads: the loop's. Limits: the whole response is in memory, bounded by
// Options::most_body; one connection per fetch (no pool), as health checks require.
#pragma once

#include <string>

#include "flotilla/base/error.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::http {

struct FetchOptions {
  Instant deadline = kNever;
  std::size_t most_body = std::size_t{10} * 1024 * 1024;
};

// Sends `request` to `address` and gives the whole answer. A Host field is added from `host` if the request
// has none. Errors: unavailable (refused, reset), timeout, invalid (not HTTP), limit (body too long).
[[nodiscard]] net::Task<Result<Response>> fetch(net::Loop& loop, net::SocketAddress address, std::string host,
                                                Request request, FetchOptions options);

}  // namespace flotilla::http
