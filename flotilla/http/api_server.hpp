// A server for control APIs: whole requests in, whole responses out.
//
// For: the registry, the admin API, the sample services. The gateway streams and does not use this.
// Ownership: borrows the handler. Threads: the loop's. Limits: ServerLimits (bodies in memory).
#pragma once

#include <functional>

#include "flotilla/http/server.hpp"

namespace flotilla::http {

// Called once per request; the coroutine may be destroyed at any suspension (the client left).
using ApiHandler = std::function<net::Task<Response>(Request request, net::SocketAddress peer)>;

// Asked first where a request accepts text/event-stream: answers the exchange as long as it likes and gives
// true, or leaves the request to the ApiHandler. The request lives as long as the task.
using StreamHandler = std::function<net::Task<bool>(const Request& request, Exchange& exchange)>;

class ApiServer final : private Handler {
 public:
  ApiServer(net::Loop& loop, const ServerLimits& limits, ApiHandler handler, StreamHandler streams = nullptr)
      : handler_(std::move(handler)), streams_(std::move(streams)), server_(loop, limits, *this) {}

  [[nodiscard]] Result<net::SocketAddress> listen(const net::SocketAddress& address) {
    return server_.listen(address);
  }
  [[nodiscard]] net::Task<> drain(Instant deadline) { return server_.drain(deadline); }
  [[nodiscard]] const ServerCounters& counters() const noexcept { return server_.counters(); }

 private:
  net::Task<> handle(Exchange& exchange) override;

  ApiHandler handler_;
  StreamHandler streams_;  // may be empty
  Server server_;
};

}  // namespace flotilla::http
