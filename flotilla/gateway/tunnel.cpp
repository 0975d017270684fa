#include "flotilla/gateway/tunnel.hpp"

#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::gateway {
namespace {

// Copies until the source ends; tells `ended`, so that the other direction ends too.
net::Task<> copy(net::Channel& from, net::Channel& to, bool& over, net::Event& ended) {
  for (;;) {
    const Instant idle = from.loop().now() + kTunnelIdle;
    from.set_deadline(idle);
    const auto bytes = co_await from.recv();
    if (!bytes || bytes->empty()) {
      break;
    }
    to.send(*bytes);
    to.set_deadline(from.loop().now() + kTunnelIdle);
    if (!co_await to.drain()) {
      break;
    }
  }
  (void)co_await to.flush();
  over = true;
  ended.set();
}

}  // namespace

net::Task<> tunnel(http::Exchange& exchange, call::LiveAnswer& answer) {
  std::string& out = exchange.scratch();
  http::append_response_head(out, answer.head(), {.client_version = exchange.request().version});
  const std::string early = answer.upstream().take_rest();
  exchange.begin(101, out, early);
  answer.finish(exchange.loop().now());
  answer.upstream().spoil();
  net::Channel& client = exchange.channel();
  net::Channel& service = answer.upstream().channel();
  if (const std::string rest = exchange.take_over(); !rest.empty()) {
    service.send(rest);
  }
  bool over = false;
  net::Event ended;
  net::Scope directions;
  directions.spawn(copy(client, service, over, ended));
  directions.spawn(copy(service, client, over, ended));
  while (!over) {
    co_await ended.wait();
  }
}

}  // namespace flotilla::gateway
