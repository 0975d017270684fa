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
    std::optional<net::TlsClient> tls;
    if (address.tls) {
      auto client = net::TlsClient::create(address.files, address.host);
      if (!client) {
        co_return std::unexpected(std::move(client.error()));
      }
      tls = std::move(*client);
    }
    std::unique_ptr<RedisConnection> made(
        new RedisConnection(std::move(*channel), std::move(*protocol), std::move(tls)));
    if (auto greeted = co_await made->greet(address); !greeted) {
      co_return std::unexpected(std::move(greeted.error()));
    }
    co_return made;
  }
  co_return std::unexpected(last);
}

net::Task<Result<>> RedisConnection::greet(const RedisAddress& address) {
  std::vector<std::vector<std::string>> greetings;
  if (!address.password.empty()) {
    greetings.push_back(address.user.empty()
                            ? std::vector<std::string>{"AUTH", address.password}
                            : std::vector<std::string>{"AUTH", address.user, address.password});
  }
  greetings.push_back({"SELECT", std::to_string(address.database)});
  for (const std::vector<std::string>& greeting : greetings) {
    const std::vector<std::string_view> command(greeting.begin(), greeting.end());
    const auto reply = co_await ask(command);
    if (!reply) {
      co_return std::unexpected(reply.error());
    }
    if (reply->is_error()) {
      co_return fail(Errc::invalid, fmt::format("{}: {}", greeting.front(), reply->text));
    }
  }
  co_return Result<>{};
}

void RedisConnection::put(std::string_view bytes) {
  if (!tls_) {
    channel_.send(bytes);
    return;
  }
  tls_->send(bytes);
  put_sealed();
}

void RedisConnection::put_sealed() {
  if (const std::string bytes = tls_->take(); !bytes.empty()) {
    channel_.send(bytes);
  }
}

// What came, without TLS around it.
Result<> RedisConnection::take_in(std::string_view bytes) {
  if (!tls_) {
    protocol_.feed(bytes);
    return {};
  }
  const auto text = tls_->receive(bytes);
  put_sealed();  // after an error the reason, for the other side's log
  if (!text) {
    return std::unexpected(text.error());
  }
  protocol_.feed(*text);
  if (text->empty() && tls_->has_ended()) {
    return fail(Errc::unavailable, "it has closed the connection");
  }
  return {};
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
  put(bytes);
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
    if (auto taken = take_in(*bytes); !taken) {
      co_return std::unexpected(std::move(taken.error()));
    }
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
