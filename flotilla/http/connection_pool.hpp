// Connections to one address of a service, on one loop, kept for the next request; and Upstream, one of
// them while it carries one request and its answer.
//
// A connection carries one request at a time, but for those that the caller lets share one
// (take_pipelined): safe requests without a body that arrive in the same turn of the loop, up to a depth.
// They leave in one send. When a shared connection ends before an answer is whole, those behind it fail as
// `displaced`, which says nothing about the service; for kNoPipelining none is shared then.
// Idle connections are a stack (the warmest first). One that the peer closes or talks on while idle is
// dropped at once, one that is idle for kIdleLimit is dropped by the next sweep: services close after 60 s
// or more, and the one who closes first never meets a race.
// Ownership: the pool owns idle connections, Upstreams own theirs; a pool may go while Upstreams are
// out, they are then closed instead of returned. Threads: the loop's. Limits: kMostIdle per pool.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/http/core/body.hpp"
#include "flotilla/http/core/head.hpp"
#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/object_pool.hpp"
#include "flotilla/http/pipeline.hpp"
#include "flotilla/net/channel.hpp"

namespace flotilla::http {

// Why a request over an open connection did not get (the rest of) its answer.
struct UpstreamFailure {
  enum class Kind : std::uint8_t {
    reset,       // the connection ended before the answer did
    timeout,     // the deadline passed
    bad_answer,  // what came is not HTTP/1.1
    displaced,   // the connection was shared, and another request's answer ended it
  };
  Kind kind = Kind::reset;
  bool answer_begun = false;  // bytes of an answer had arrived
  std::string_view detail;    // static text
};

class ConnectionPool;

namespace detail {

struct PooledConnection {
  net::Channel channel;
  std::unique_ptr<Pipeline> pipeline;  // while it is shared
  std::uint32_t users = 0;             // Upstreams; 0: idle
  ConnectionPool* pool = nullptr;      // nullptr once the pool is gone
  PooledConnection* prev = nullptr;
  PooledConnection* next = nullptr;
  Instant idle_since;
};

// What an answer needs besides the connection; pooled, because heads neither copy nor move.
struct Answer {
  ResponseHead head;
  BodyDecoder body;
  std::string carry;  // bytes received and not yet decoded, when they could not stay in the read buffer
  std::size_t carry_at = 0;
  void clear() noexcept;
};

}  // namespace detail

class Upstream {
 public:
  Upstream() = default;
  Upstream(Upstream&& other) noexcept = default;
  Upstream& operator=(Upstream&& other) noexcept;
  // Returns the connection to its pool if the answer was read whole and it may carry another, else closes.
  ~Upstream() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return connection_ != nullptr; }
  // Not for one that shares its connection.
  [[nodiscard]] net::Channel& channel() noexcept { return connection_->channel; }
  // Of every wait from here on.
  void set_deadline(Instant deadline) noexcept;
  // A request, or its first part; what shares a connection is sent whole, when the turn of the loop ends.
  void send(std::string_view head, std::string_view body = {});
  // It carried a request before: the peer may have closed it meanwhile (RFC 9112 9.3.1).
  [[nodiscard]] bool reused() const noexcept { return reused_; }

  // The head of the final answer; 1xx but 101 are skipped. When it ends, head() and arrived_body() are
  // valid until the next await.
  [[nodiscard]] net::Task<std::expected<void, UpstreamFailure>> read_head(Method request_method);
  [[nodiscard]] const ResponseHead& head() const noexcept { return answer_->head; }
  // Payload that came with the head, without waiting.
  [[nodiscard]] std::expected<std::string_view, UpstreamFailure> arrived_body() noexcept;
  // The next piece, valid until the next await; empty at the end.
  [[nodiscard]] net::Task<std::expected<std::string_view, UpstreamFailure>> read_body();
  [[nodiscard]] bool body_done() const noexcept { return answer_->body.done(); }
  [[nodiscard]] const Fields& trailers() const noexcept { return answer_->body.trailers(); }

  // After a 101: what came behind the head.
  [[nodiscard]] std::string take_rest() noexcept;
  void close() noexcept;
  // The connection will not carry another request (this one was not sent whole).
  void spoil() noexcept { spoiled_ = true; }

 private:
  friend class ConnectionPool;
  using Connection = detail::PooledConnection;
  Upstream(Connection& connection, ObjectPool<detail::Answer>::Handle answer, bool reused) noexcept
      : connection_(&connection), answer_(std::move(answer)), reused_(reused) {
    ++connection.users;
  }
  [[nodiscard]] bool shares() const noexcept { return connection_->pipeline != nullptr; }
  [[nodiscard]] bool is_my_turn() const noexcept {
    return !shares() || (joined_ && connection_->pipeline->turns.is_turn_of(ticket_));
  }
  // Of a shared connection: the bytes behind the answer before.
  [[nodiscard]] std::span<char> take_rest_of_before() noexcept {
    return shares() ? connection_->pipeline->take_rest() : std::span<char>();
  }
  std::expected<std::string_view, UpstreamFailure> decode(char* bytes, std::size_t size);
  [[nodiscard]] UpstreamFailure ended(net::IoError error) const noexcept;
  void finish(std::span<char> rest);
  void release() noexcept;

  struct LetGo {
    void operator()(Connection* connection) const noexcept { --connection->users; }
  };
  std::unique_ptr<Connection, LetGo> connection_;
  ObjectPool<detail::Answer>::Handle answer_;
  char* arrived_ = nullptr;  // in the read buffer: bytes behind the head, until the next await
  std::size_t arrived_size_ = 0;
  Instant deadline_ = kNever;
  detail::Pipeline::Ticket ticket_ = 0;
  bool joined_ = false;  // holds `ticket_` of a shared connection
  bool reused_ = false;
  bool begun_ = false;  // bytes of an answer were received
  bool spoiled_ = false;
  bool finished_ = false;  // head read and body done: the connection is clean
};

class ConnectionPool {
 public:
  static constexpr std::size_t kMostIdle = 512;
  static constexpr Duration kIdleLimit = std::chrono::seconds(55);
  static constexpr std::uint32_t kDeepest = PipelineTurns::kMost;
  static constexpr Duration kNoPipelining = std::chrono::seconds(1);

  ConnectionPool(net::Loop& loop, const net::SocketAddress& address, ObjectPool<detail::Answer>& answers)
      : loop_(loop), address_(address), answers_(answers) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool();

  [[nodiscard]] const net::SocketAddress& address() const noexcept { return address_; }
  // The warmest idle connection; none if there is none.
  [[nodiscard]] Upstream take_idle() noexcept;
  // The same to be shared by at most `depth` (at most kDeepest) requests of this turn of the loop.
  [[nodiscard]] Upstream take_pipelined(std::uint32_t depth) noexcept;
  [[nodiscard]] net::Task<std::expected<Upstream, net::IoError>> connect(Instant deadline);
  // Drops what is idle for too long; called now and then by the owner.
  void sweep() noexcept;
  [[nodiscard]] std::size_t idle() const noexcept { return idle_count_; }

 private:
  friend class Upstream;
  using Connection = detail::PooledConnection;
  [[nodiscard]] Connection* pop_idle() noexcept;
  // Its last user went; `clean`: the answer was read whole, and nothing came behind it.
  static void end_use(std::unique_ptr<Connection> connection, bool clean) noexcept;
  void give_back(std::unique_ptr<Connection> connection) noexcept;
  void send_gathered() noexcept;
  static void link(Connection*& list, Connection& connection) noexcept;
  void unlink(Connection*& list, Connection& connection) noexcept;
  static void on_stale(void* connection) noexcept;

  net::Loop& loop_;
  net::SocketAddress address_;
  ObjectPool<detail::Answer>& answers_;
  Connection* idle_ = nullptr;  // a stack
  Connection* busy_ = nullptr;  // lent to Upstreams, which own them
  std::size_t idle_count_ = 0;
  Connection* gathering_ = nullptr;  // of the busy ones: takes requests until the turn ends
  net::TurnEnd turn_end_{[](void* self) { static_cast<ConnectionPool*>(self)->send_gathered(); }, this};
  Instant no_pipelining_until_;
};

}  // namespace flotilla::http
