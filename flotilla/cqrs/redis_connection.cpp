#include "flotilla/cqrs/redis_connection.hpp"

#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace flotilla::cqrs {

net::Task<Result<std::unique_ptr<RedisConnection>>> RedisConnection::open(net::Loop& loop,
                                                                          net::Resolver& resolver,
                                                                          RedisAddress address) {
  auto protocol = RedisProtocol::load();
  if (!protocol) {
    co_return std::unexpected(std::move(protocol.error()));
  }
  const Instant deadline = saturating_add(loop.now(), kPatience);
  const auto places = co_await resolver.resolve(address.host, address.port, deadline);
  if (!places) {
    co_return std::unexpected(places.error());
  }
  Error last{Errc::unavailable, "it has no address"};
  for (const net::SocketAddress& place : *places) {
    auto channel = co_await net::connect(loop, place, deadline);
    if (!channel) {
      last.message = fmt::format("{}: {}", place.to_string(), net::to_string(channel.error()));
      continue;
    }
    std::unique_ptr<RedisConnection> made(new RedisConnection(std::move(*channel), std::move(*protocol)));
    std::vector<std::vector<std::string>> greetings;
    if (!address.password.empty()) {
      greetings.push_back(address.user.empty()
                              ? std::vector<std::string>{"AUTH", address.password}
                              : std::vector<std::string>{"AUTH", address.user, address.password});
    }
    greetings.push_back({"SELECT", std::to_string(address.database)});
    for (const std::vector<std::string>& greeting : greetings) {
      const std::vector<std::string_view> command(greeting.begin(), greeting.end());
      const auto reply = co_await made->ask(command);
      if (!reply) {
        co_return std::unexpected(reply.error());
      }
      if (reply->is_error()) {
        co_return fail(Errc::invalid, fmt::format("{}: {}", greeting.front(), reply->text));
      }
    }
    co_return made;
  }
  co_return std::unexpected(last);
}

void RedisConnection::set_deadline() {
  channel_.set_deadline(handlers_.empty() ? kNever : saturating_add(channel_.loop().now(), kPatience));
}

void RedisConnection::send(std::span<const std::string_view> command, Handler handler) {
  if (closed_) {
    return;
  }
  std::string bytes;
  RedisProtocol::append(bytes, command);
  channel_.send(bytes);
  handlers_.push_back(std::move(handler));
  if (handlers_.size() == 1) {
    set_deadline();
  }
}

net::Task<Result<RedisReply>> RedisConnection::ask(std::span<const std::string_view> command) {
  send(command, [](const RedisReply&) {});
  auto reply = co_await read();
  handlers_.clear();
  co_return reply;
}

net::Task<Result<RedisReply>> RedisConnection::read() {
  for (;;) {
    auto next = protocol_.next();
    if (!next) {
      co_return std::unexpected(std::move(next.error()));
    }
    if (*next) {
      co_return std::move(**next);
    }
    set_deadline();
    const auto bytes = co_await channel_.recv();
    if (!bytes) {
      co_return fail(Errc::unavailable, std::string(net::to_string(bytes.error())));
    }
    if (bytes->empty()) {
      co_return fail(Errc::unavailable, "it has closed the connection");
    }
    protocol_.feed(*bytes);
  }
}

net::Task<std::string> RedisConnection::run() {
  while (!closed_) {
    const auto reply = co_await read();
    if (closed_) {
      break;
    }
    if (!reply) {
      co_return reply.error().message;
    }
    if (handlers_.empty()) {
      co_return "it answers what it was not asked";
    }
    Handler handler = std::move(handlers_.front());
    handlers_.pop_front();
    handler(*reply);
  }
  co_return why_;
}

void RedisConnection::close(std::string why) {
  if (!std::exchange(closed_, true)) {
    why_ = std::move(why);
    handlers_.clear();
    channel_.interrupt(net::IoError::reset);
  }
}

}  // namespace flotilla::cqrs
