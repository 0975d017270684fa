#include "flotilla/http/connection_pool.hpp"

#include <cstring>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::http {
namespace {

// More informational answers than this before the final one are an attack or a bug (gateway rule 6.6).
constexpr int kMostInformational = 16;
constexpr HeadLimits kAnswerLimits{};

}  // namespace

void detail::Answer::clear() noexcept {
  head.clear();
  std::string().swap(carry);
  carry_at = 0;
}

Upstream& Upstream::operator=(Upstream&& other) noexcept {
  if (this != &other) {
    release();
    connection_ = std::move(other.connection_);
    answer_ = std::move(other.answer_);
    arrived_ = other.arrived_;
    arrived_size_ = other.arrived_size_;
    deadline_ = other.deadline_;
    ticket_ = other.ticket_;
    joined_ = other.joined_;
    reused_ = other.reused_;
    begun_ = other.begun_;
    spoiled_ = other.spoiled_;
    finished_ = other.finished_;
  }
  return *this;
}

void Upstream::close() noexcept {
  finished_ = false;
  release();
}

void Upstream::release() noexcept {
  if (!connection_) {
    return;
  }
  Connection& connection = *connection_;
  connection_.reset();
  answer_.reset();
  bool clean = finished_ && !spoiled_ && arrived_size_ == 0;
  if (connection.pipeline != nullptr) {
    detail::Pipeline& pipeline = *connection.pipeline;
    if (joined_) {
      pipeline.leave(ticket_, clean);
    }
    if (pipeline.turns.is_broken() && connection.users > 0 && connection.pool != nullptr) {
      connection.pool->no_pipelining_until_ = connection.pool->loop_.now() + ConnectionPool::kNoPipelining;
    }
    clean = !pipeline.turns.is_doomed() && pipeline.unsent.empty() && !pipeline.has_rest();
  }
  if (connection.users == 0) {
    ConnectionPool::end_use(std::unique_ptr<Connection>(&connection), clean);
  }
}

void Upstream::set_deadline(Instant deadline) noexcept {
  deadline_ = deadline;
  if (is_my_turn()) {
    connection_->channel.set_deadline(deadline);
  }
}

void Upstream::send(std::string_view head, std::string_view body) {
  if (!shares()) {
    connection_->channel.send(head, body);
    return;
  }
  ticket_ = connection_->pipeline->turns.join();
  joined_ = true;
  connection_->pipeline->unsent.append(head).append(body);
}

UpstreamFailure Upstream::ended(net::IoError error) const noexcept {
  if (error == net::IoError::timeout) {
    return {UpstreamFailure::Kind::timeout, begun_, "the service did not answer in time"};
  }
  return {UpstreamFailure::Kind::reset, begun_,
          "the service closed the connection before its answer was complete"};
}

net::Task<std::expected<void, UpstreamFailure>> Upstream::read_head(Method request_method) {
  detail::Answer& answer = *answer_;
  if (shares()) {
    switch (co_await connection_->pipeline->turn(ticket_, deadline_)) {
      case detail::Pipeline::Turn::come:
        connection_->channel.set_deadline(deadline_);
        break;
      case detail::Pipeline::Turn::broken:
        co_return std::unexpected(UpstreamFailure{UpstreamFailure::Kind::displaced, false,
                                                  "another request ended the connection they shared"});
      case detail::Pipeline::Turn::timeout:
        co_return std::unexpected(ended(net::IoError::timeout));
    }
  }
  int informational = 0;
  for (;;) {
    std::span<char> got = take_rest_of_before();
    if (got.empty()) {
      const auto received = co_await connection_->channel.recv();
      if (!received) {
        co_return std::unexpected(ended(received.error()));
      }
      if (received->empty()) {
        co_return std::unexpected(ended(net::IoError::reset));
      }
      got = connection_->channel.loop().read_buffer().first(received->size());
    }
    begun_ = true;
    // The whole head in one read is parsed where it lies; a part is carried until the rest comes.
    char* bytes = got.data();
    std::size_t size = got.size();
    if (!answer.carry.empty()) {
      answer.carry.append(got.data(), got.size());
      bytes = answer.carry.data();
      size = answer.carry.size();
    }
    for (;;) {
      const ParseOutcome outcome =
          parse_response_head({bytes, size}, kAnswerLimits, request_method, answer.head);
      if (outcome.failed()) {
        co_return std::unexpected(
            UpstreamFailure{UpstreamFailure::Kind::bad_answer, true, outcome.error.message});
      }
      if (!outcome.done()) {
        break;
      }
      bytes += outcome.consumed;
      size -= outcome.consumed;
      if (answer.head.status >= 200 || answer.head.status == 101) {
        arrived_ = bytes;
        arrived_size_ = size;
        answer.body.start(answer.head.framing, {});
        if (!answer.head.framing.has_body()) {
          (void)answer.body.feed({});
          finish({bytes, size});
        }
        co_return {};
      }
      if (++informational > kMostInformational) {
        co_return std::unexpected(
            UpstreamFailure{UpstreamFailure::Kind::bad_answer, true, "too many informational answers"});
      }
    }
    // `bytes` may point into carry itself: build the remainder before replacing it.
    std::string rest(bytes, size);
    answer.carry = std::move(rest);
  }
}

// The answer is whole; `rest` came behind it.
void Upstream::finish(std::span<char> rest) {
  finished_ = answer_->head.keep_alive && answer_->head.status != 101;
  arrived_size_ = rest.size();
  if (shares() && !rest.empty()) {
    connection_->pipeline->keep_rest(rest);
    arrived_size_ = 0;
  }
}

std::expected<std::string_view, UpstreamFailure> Upstream::decode(char* bytes, std::size_t size) {
  BodyDecoder& body = answer_->body;
  char* end = bytes;
  std::size_t consumed = 0;
  // The pieces of several chunks are moved together, so that one read gives one piece.
  while (!body.done() && consumed < size) {
    const BodyDecoder::Piece piece = body.feed({bytes + consumed, size - consumed});
    consumed += piece.consumed;
    if (piece.state == BodyDecoder::Piece::State::error) {
      return std::unexpected(UpstreamFailure{UpstreamFailure::Kind::bad_answer, true, piece.error.message});
    }
    if (!piece.data.empty() && piece.data.data() != end) {
      std::memmove(end, piece.data.data(), piece.data.size());
    }
    end += piece.data.size();
  }
  if (body.done()) {
    finish({bytes + consumed, size - consumed});
  }
  return std::string_view(bytes, static_cast<std::size_t>(end - bytes));
}

std::expected<std::string_view, UpstreamFailure> Upstream::arrived_body() noexcept {
  if (arrived_size_ == 0 || answer_->body.done()) {
    return std::string_view();
  }
  return decode(arrived_, std::exchange(arrived_size_, 0));
}

net::Task<std::expected<std::string_view, UpstreamFailure>> Upstream::read_body() {
  while (!answer_->body.done()) {
    const auto received = co_await connection_->channel.recv();
    if (!received) {
      co_return std::unexpected(ended(received.error()));
    }
    if (received->empty()) {
      if (answer_->body.finish()) {
        break;
      }
      co_return std::unexpected(ended(net::IoError::reset));
    }
    const auto piece = decode(connection_->channel.loop().read_buffer().data(), received->size());
    if (!piece || !piece->empty()) {
      co_return piece;
    }
  }
  co_return std::string_view();
}

std::string Upstream::take_rest() noexcept { return {arrived_, std::exchange(arrived_size_, 0)}; }

ConnectionPool::~ConnectionPool() {
  send_gathered();
  while (idle_ != nullptr) {
    const std::unique_ptr<Connection> owned(idle_);
    unlink(idle_, *owned);
  }
  for (Connection* connection = busy_; connection != nullptr; connection = connection->next) {
    connection->pool = nullptr;
  }
}

void ConnectionPool::link(Connection*& list, Connection& connection) noexcept {
  connection.prev = nullptr;
  connection.next = list;
  if (list != nullptr) {
    list->prev = &connection;
  }
  list = &connection;
}

void ConnectionPool::unlink(Connection*& list, Connection& connection) noexcept {
  (connection.prev != nullptr ? connection.prev->next : list) = connection.next;
  if (connection.next != nullptr) {
    connection.next->prev = connection.prev;
  }
}

ConnectionPool::Connection* ConnectionPool::pop_idle() noexcept {
  Connection* const connection = idle_;
  if (connection != nullptr) {
    unlink(idle_, *connection);
    --idle_count_;
    connection->channel.watch(nullptr, nullptr);
    link(busy_, *connection);
  }
  return connection;
}

Upstream ConnectionPool::take_idle() noexcept {
  Connection* const connection = pop_idle();
  return connection != nullptr ? Upstream(*connection, answers_.take(), true) : Upstream();
}

Upstream ConnectionPool::take_pipelined(std::uint32_t depth) noexcept {
  FLOTILLA_ASSERT(depth <= kDeepest);
  if (loop_.now() < no_pipelining_until_) {
    return take_idle();
  }
  if (gathering_ == nullptr || !gathering_->pipeline->turns.has_room(depth)) {
    send_gathered();
    gathering_ = pop_idle();
    if (gathering_ == nullptr) {
      return {};
    }
    gathering_->pipeline = std::make_unique<detail::Pipeline>(loop_);
    loop_.at_turn_end(turn_end_);
  }
  return Upstream(*gathering_, answers_.take(), true);
}

void ConnectionPool::send_gathered() noexcept {
  Connection* const connection = std::exchange(gathering_, nullptr);
  if (connection != nullptr && !connection->pipeline->unsent.empty()) {
    connection->channel.send(connection->pipeline->unsent);
    connection->pipeline->unsent.clear();
  }
}

net::Task<std::expected<Upstream, net::IoError>> ConnectionPool::connect(Instant deadline) {
  // The pool may be gone when the connection stands: no member is used after the await.
  ObjectPool<detail::Answer>& answers = answers_;
  auto connection = std::make_unique<Connection>();
  connection->pool = this;
  link(busy_, *connection);
  struct Linked {
    Connection* connection;
    ~Linked() {
      if (connection != nullptr && connection->pool != nullptr) {
        connection->pool->unlink(connection->pool->busy_, *connection);
      }
    }
  } linked{connection.get()};
  auto channel = co_await net::connect(loop_, address_, deadline);
  if (!channel) {
    co_return std::unexpected(channel.error());
  }
  connection->channel = std::move(*channel);
  linked.connection = nullptr;
  co_return Upstream(*connection.release(), answers.take(), false);
}

void ConnectionPool::end_use(std::unique_ptr<Connection> connection, bool clean) noexcept {
  ConnectionPool* const pool = connection->pool;
  if (pool == nullptr) {
    return;
  }
  pool->unlink(pool->busy_, *connection);
  if (pool->gathering_ == connection.get()) {
    pool->gathering_ = nullptr;
  }
  // Bytes behind a complete answer belong to nobody: such a connection is not kept (RFC 9112 6.3).
  if (clean && !connection->channel.stale() && connection->channel.unsent() == 0) {
    connection->pipeline.reset();
    pool->give_back(std::move(connection));
  }
}

void ConnectionPool::give_back(std::unique_ptr<Connection> connection) noexcept {
  if (idle_count_ >= kMostIdle) {
    return;
  }
  connection->idle_since = loop_.now();
  connection->channel.set_deadline(kNever);
  connection->channel.watch(&ConnectionPool::on_stale, connection.get(), true);
  ++idle_count_;
  link(idle_, *connection.release());
}

void ConnectionPool::on_stale(void* context) noexcept {
  const std::unique_ptr<Connection> connection(static_cast<Connection*>(context));
  ConnectionPool& pool = *connection->pool;
  pool.unlink(pool.idle_, *connection);
  --pool.idle_count_;
}

void ConnectionPool::sweep() noexcept {
  for (Connection* connection = idle_; connection != nullptr;) {
    Connection* const next = connection->next;
    if (connection->idle_since + kIdleLimit <= loop_.now()) {
      const std::unique_ptr<Connection> owned(connection);
      unlink(idle_, *owned);
      --idle_count_;
    }
    connection = next;
  }
}

}  // namespace flotilla::http
