// The HTTP/1.1 server on one loop: connections, one Exchange after the other on each, limits and drain.
//
// Life of a connection: accept -> [wait for a head -> parse -> handler answers -> rest of the body] ... ->
// close. Pipelined requests are answered in order, one at a time. While a handler works, a client that
// hangs up cancels it (the connection's coroutine is destroyed; docs/adr/0004). A client that closed its
// sending side together with its request is still answered.
// Ownership: the server owns its connections; the handler is borrowed and must outlive it.
// Threads: the loop's. Limits: ServerLimits; an idle connection holds no buffer.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/base/counter.hpp"
#include "flotilla/http/core/body.hpp"
#include "flotilla/http/core/forward.hpp"
#include "flotilla/http/core/head.hpp"
#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/core/problem.hpp"
#include "flotilla/http/object_pool.hpp"
#include "flotilla/net/channel.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::http {

struct ServerLimits {
  HeadLimits head;
  std::uint64_t body = std::uint64_t{10} * 1024 * 1024;
  Duration header_timeout = std::chrono::seconds(10);  // first byte to end of a head
  Duration body_timeout = std::chrono::seconds(60);  // between two reads of a body, and for a stalled reader
  Duration idle = std::chrono::seconds(75);          // between two requests
  std::size_t connections = 16'000;                  // of this loop
};

// A sender slower than this after the grace is answered 408 (slowloris in the body).
inline constexpr std::uint64_t kSlowestBody = 500;  // bytes per second
inline constexpr Duration kSlowBodyGrace = std::chrono::seconds(10);

struct ServerCounters {
  Counter connections_opened;
  Counter connections_open;
  Counter requests;
  Counter malformed_heads;
  Counter malformed_bodies;
  Counter slow_requests;
  Counter cancelled;  // the client left before it was answered
};

class Server;
class Connection;

// Why the body of a request cannot be read on.
struct BodyFailure {
  enum class Kind : std::uint8_t { malformed, slow, gone };
  Kind kind = Kind::gone;
  ProtocolError error;  // what to answer, if nothing was answered yet
};

// One request and its answer.
class Exchange {
 public:
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] const RequestHead& request() const noexcept;
  [[nodiscard]] net::Loop& loop() const noexcept;
  [[nodiscard]] net::Channel& channel() noexcept;
  [[nodiscard]] std::string_view peer_ip() const noexcept;
  [[nodiscard]] const net::SocketAddress& peer() const noexcept;
  [[nodiscard]] const net::SocketAddress& local() const noexcept;
  // When the head was complete.
  [[nodiscard]] Instant began() const noexcept { return began_; }

  // The most payload the handler accepts; smaller than the server's limit, or it has no effect.
  void limit_body(std::uint64_t bytes) noexcept;
  [[nodiscard]] bool body_done() const noexcept { return body_.done(); }
  // The next piece, valid until the next await; empty at the end. Sends 100 Continue first if the client
  // waits for it.
  [[nodiscard]] net::Task<std::expected<std::string_view, BodyFailure>> read_body();
  // The whole body, bounded by the limit.
  [[nodiscard]] net::Task<std::expected<std::string, BodyFailure>> read_whole_body();
  // Payload that has arrived already, without waiting; empty if there is none. Valid until the next await.
  [[nodiscard]] std::expected<std::string_view, BodyFailure> arrived_body() noexcept;
  [[nodiscard]] const Fields& trailers() const noexcept { return body_.trailers(); }

  // Answers whole. Adds Content-Length, Date, Server and Connection.
  void respond(std::uint16_t status, std::span<const HeaderLine> fields, std::string_view body);
  void problem(const Problem& problem, std::span<const HeaderLine> extra = {});
  // Answers a body that failed: 400, 408 or 413; nothing if an answer has begun.
  void answer_failure(const BodyFailure& failure);

  // For answers that are streamed: `head` is a whole response head made for keep_alive(). The caller
  // sends the body on the channel in the framing it announced.
  void begin(std::uint16_t status, std::string_view head, std::string_view body = {});
  [[nodiscard]] bool begun() const noexcept { return status_ != 0; }
  [[nodiscard]] std::uint16_t status() const noexcept { return status_; }
  // Reason::... of an answer that is ours; nothing for a service's.
  [[nodiscard]] std::optional<Reason> reason() const noexcept { return reason_; }
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  void count_sent(std::size_t bytes) noexcept { bytes_sent_ += bytes; }
  // Whether the connection stays open after this answer: to be said in its head.
  [[nodiscard]] bool keep_alive() const noexcept;
  void close_after() noexcept { keep_alive_ = false; }
  // The answer cannot be completed: the connection is reset so that it is not taken for a whole one.
  void abort() noexcept;
  // The channel now carries something else (an upgrade); nothing more is parsed on it. What arrived behind
  // the head is given back.
  [[nodiscard]] std::string take_over() noexcept;

  // An empty string to build heads in; shared by the loop, so use it up before the next await.
  [[nodiscard]] std::string& scratch() noexcept;
  // IMF-fixdate of this second.
  [[nodiscard]] std::string_view date() noexcept;
  [[nodiscard]] ServerCounters& counters() noexcept;

 private:
  friend class Connection;
  explicit Exchange(Connection& connection) noexcept : connection_(connection) {}
  void start(bool keep_alive, std::uint64_t body_limit);
  [[nodiscard]] Instant read_deadline() const noexcept;
  [[nodiscard]] std::expected<std::string_view, BodyFailure> decode(char* bytes, std::size_t size,
                                                                    std::size_t& consumed);

  Connection& connection_;
  BodyDecoder body_;
  Instant began_;
  std::uint64_t body_limit_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::optional<Reason> reason_;
  std::uint16_t status_ = 0;
  bool keep_alive_ = true;
  bool continue_pending_ = false;
  bool taken_over_ = false;
  bool body_failed_ = false;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Must have answered when it ends. The coroutine may be destroyed at any suspension (the client left).
  [[nodiscard]] virtual net::Task<> handle(Exchange& exchange) = 0;
};

class Server {
 public:
  Server(net::Loop& loop, const ServerLimits& limits, Handler& handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Port 0 takes a free one. May be called for several addresses.
  [[nodiscard]] Result<net::SocketAddress> listen(const net::SocketAddress& address);
  // For requests that begin from now on.
  void set_limits(const ServerLimits& limits) noexcept { limits_ = limits; }
  // Stops accepting, answers what has been asked with Connection: close, closes idle connections after
  // kIdleGrace (a request may be on its way), and at `deadline` whatever is left.
  [[nodiscard]] net::Task<> drain(Instant deadline);
  static constexpr Duration kIdleGrace = std::chrono::milliseconds(500);

  [[nodiscard]] const ServerCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t connections() const noexcept { return scope_.size(); }

 private:
  friend class Connection;
  friend class Exchange;
  struct RequestBuffer {
    std::string bytes;  // head, then what arrived behind it
    RequestHead head;
    void clear() noexcept;
  };
  void accept(net::Channel channel, net::Listener& listener);
  std::string_view date();

  net::Loop& loop_;
  ServerLimits limits_;
  Handler& handler_;
  ServerCounters counters_;
  ObjectPool<RequestBuffer> buffers_;
  std::string scratch_;
  std::string date_;
  Instant date_until_;
  Instant draining_since_ = kNever;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  Connection* first_ = nullptr;  // of all open connections
  net::Scope scope_;
};

}  // namespace flotilla::http
