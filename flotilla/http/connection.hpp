// One accepted connection of a Server: reads heads, runs the handler, keeps what was pipelined.
//
// Internal to flotilla/http. Ownership: its coroutine (run) owns it; the server's scope owns that.
// Threads: the loop's. Memory while idle: this object and one coroutine frame, no buffer.
#pragma once

#include <memory>
#include <string>

#include "flotilla/http/server.hpp"

namespace flotilla::http {

class Connection {
 public:
  Connection(Server& server, net::Channel channel, net::Listener& listener);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  static net::Task<> run(std::unique_ptr<Connection> self);
  void set_child(net::Scope::Child child) noexcept { child_ = child; }
  void begin_drain() noexcept;

  [[nodiscard]] static Connection* first(const Server& server) noexcept { return server.first_; }
  [[nodiscard]] Connection* next() const noexcept { return next_; }

 private:
  friend class Exchange;
  enum class Next : std::uint8_t { serve, close };

  net::Task<Next> read_head();
  net::Task<> linger();
  void refuse(const ProtocolError& error);
  void finish_request() noexcept;
  [[nodiscard]] Instant idle_deadline() const noexcept;
  [[nodiscard]] std::string_view unread() const noexcept;
  static void on_hang_up(void* self);

  Server& server_;
  net::Channel channel_;
  net::Listener& listener_;
  net::Scope::Child child_;
  Connection* prev_ = nullptr;
  Connection* next_ = nullptr;
  ObjectPool<Server::RequestBuffer>::Handle buffer_;
  std::size_t body_at_ = 0;  // in buffer_->bytes: what follows was not looked at yet
  std::string behind_;       // bytes read behind the end of a body, of the next request
  net::SocketAddress peer_;
  net::SocketAddress local_;
  std::string peer_ip_;
  Exchange exchange_{*this};
  bool idle_ = true;
};

}  // namespace flotilla::http
