// A connection to Redis on a loop, over TLS where its address says so: commands go out at once, replies come
// to their handlers in that order.
//
// For: view_copier.hpp. Ownership: owns the socket and the handlers. Threads: the loop's. Limits: whoever
// sends bounds what is under way; a reply that takes longer than kPatience breaks the connection. A handler
// may close it, and may not destroy it. No message has the password.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/cqrs/core/redis_address.hpp"
#include "flotilla/cqrs/redis_protocol.hpp"
#include "flotilla/net/channel.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/net/tls_client.hpp"

namespace flotilla::cqrs {

class RedisConnection {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(10);
  using Handler = std::move_only_function<void(const RedisReply&)>;

  // Connected, authenticated, in its database. Errors: unavailable, unsupported (no hiredis), denied (its
  // certificate is not trusted), invalid (refused by Redis, or a file of TLS cannot be used).
  [[nodiscard]] static net::Task<Result<std::unique_ptr<RedisConnection>>> open(net::Loop& loop,
                                                                                net::Resolver& resolver,
                                                                                RedisAddress address);

  void send(std::span<const std::string_view> command, Handler handler);
  // Sends and waits; only before run().
  [[nodiscard]] net::Task<Result<RedisReply>> ask(std::span<const std::string_view> command);
  // Gives replies to their handlers until the connection breaks or is closed. Why.
  [[nodiscard]] net::Task<std::string> run();
  // No handler is called any more.
  void close(std::string why);

 private:
  RedisConnection(net::Channel channel, RedisProtocol protocol, std::optional<net::TlsClient> tls)
      : channel_(std::move(channel)), protocol_(std::move(protocol)), tls_(std::move(tls)) {}
  [[nodiscard]] net::Task<Result<>> greet(const RedisAddress& address);
  void put(std::string_view bytes);
  void put_sealed();
  [[nodiscard]] Result<> take_in(std::string_view bytes);
  [[nodiscard]] net::Task<Result<RedisReply>> read();
  void set_deadline();

  net::Channel channel_;
  RedisProtocol protocol_;
  std::optional<net::TlsClient> tls_;
  std::deque<Handler> handlers_;
  bool closed_ = false;
  std::string why_;
};

}  // namespace flotilla::cqrs
