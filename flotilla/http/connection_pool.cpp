#include "flotilla/http/connection_pool.hpp"

#include <cstring>
#include <utility>

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
  ConnectionPool* const pool = connection_->pool;
  if (pool != nullptr) {
    pool->unlink(pool->busy_, *connection_);
  }
  // Bytes behind a complete answer belong to nobody: such a connection is not kept (RFC 9112 6.3).
  if (finished_ && !spoiled_ && pool != nullptr && arrived_size_ == 0 && !connection_->channel.stale() &&
      connection_->channel.unsent() == 0) {
    pool->give_back(std::move(connection_));
  }
  connection_.reset();
  answer_.reset();
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
  int informational = 0;
  for (;;) {
    const auto received = co_await connection_->channel.recv();
    if (!received) {
      co_return std::unexpected(ended(received.error()));
    }
    if (received->empty()) {
      co_return std::unexpected(ended(net::IoError::reset));
    }
    begun_ = true;
    // The whole head in one read is parsed where it lies; a part is carried until the rest comes.
    char* bytes = connection_->channel.loop().read_buffer().data();
    std::size_t size = received->size();
    if (!answer.carry.empty()) {
      answer.carry.append(*received);
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
          finished_ = answer.head.keep_alive && answer.head.status != 101;
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

std::expected<std::string_view, UpstreamFailure> Upstream::decode(char* bytes, std::size_t size) noexcept {
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
  arrived_size_ = size - consumed;
  finished_ = body.done() && answer_->head.keep_alive;
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

Upstream ConnectionPool::take_idle() noexcept {
  if (idle_ == nullptr) {
    return {};
  }
  std::unique_ptr<Connection> connection(idle_);
  unlink(idle_, *connection);
  --idle_count_;
  connection->channel.watch(nullptr, nullptr);
  link(busy_, *connection);
  return Upstream(std::move(connection), answers_.take(), true);
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
  co_return Upstream(std::move(connection), answers.take(), false);
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
