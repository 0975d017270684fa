#include "flotilla/http/server.hpp"

#include <ctime>

#include <fmt/chrono.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/http/connection.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::http {

void Server::RequestBuffer::clear() noexcept {
  constexpr std::size_t kKeptCapacity = std::size_t{16} * 1024;
  bytes.clear();
  if (bytes.capacity() > kKeptCapacity) {
    bytes.shrink_to_fit();
  }
  head.clear();
}

Server::Server(net::Loop& loop, const ServerLimits& limits, Handler& handler)
    : loop_(loop), limits_(limits), handler_(handler) {}

Server::~Server() {
  for (const auto& listener : listeners_) {
    listener->close();
  }
  scope_.cancel_all();  // connections tell their listener that they are gone: it must still be there
}

Result<net::SocketAddress> Server::listen(const net::SocketAddress& address) {
  // The callback needs the listener that calls it, which does not exist yet: it is always the one at
  // this index, listeners are only added.
  const std::size_t index = listeners_.size();
  auto listener = net::Listener::open(
      loop_, address, limits_.connections,
      [this, index](net::Channel channel) { accept(std::move(channel), *listeners_[index]); });
  if (!listener) {
    return std::unexpected(listener.error());
  }
  listeners_.push_back(std::move(*listener));
  return listeners_.back()->address();
}

void Server::accept(net::Channel channel, net::Listener& listener) {
  counters_.connections_opened.add();
  auto connection = std::make_unique<Connection>(*this, std::move(channel), listener);
  Connection& borrowed = *connection;
  const net::Scope::Child child = scope_.spawn(Connection::run(std::move(connection)));
  if (child) {
    borrowed.set_child(child);
  }
}

net::Task<> Server::drain(Instant deadline) {
  draining_since_ = loop_.now();
  for (const auto& listener : listeners_) {
    listener->close();
  }
  // Idle connections look at draining_since_ when they wake; they are woken by their own deadline.
  for (Connection* connection = Connection::first(*this); connection != nullptr;
       connection = connection->next()) {
    connection->begin_drain();
  }
  while (scope_.size() > 0 && loop_.now() < deadline) {
    co_await net::sleep_until(loop_, std::min(deadline, loop_.now() + std::chrono::milliseconds(20)));
  }
  scope_.cancel_all();
}

std::string_view Server::date() {
  if (loop_.now() >= date_until_) {
    const std::int64_t ns = net::wall_now().ns_since_epoch;
    const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(seconds));
    date_until_ = loop_.now() + Duration(1'000'000'000 - ns % 1'000'000'000);
  }
  return date_;
}

}  // namespace flotilla::http
