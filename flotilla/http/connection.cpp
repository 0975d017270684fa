#include "flotilla/http/connection.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"

namespace flotilla::http {
namespace {

// How long a refused sender is listened to, so that it reads our answer before it sees a reset.
constexpr Duration kLinger = std::chrono::seconds(2);

}  // namespace

Connection::Connection(Server& server, net::Channel channel, net::Listener& listener)
    : server_(server),
      channel_(std::move(channel)),
      listener_(listener),
      next_(server.first_),
      peer_(channel_.peer()),
      local_(channel_.local()),
      peer_ip_(peer_.ip()) {
  if (next_ != nullptr) {
    next_->prev_ = this;
  }
  server_.first_ = this;
  server_.counters_.connections_open.add();
}

Connection::~Connection() {
  (prev_ != nullptr ? prev_->next_ : server_.first_) = next_;
  if (next_ != nullptr) {
    next_->prev_ = prev_;
  }
  server_.counters_.connections_open.sub();
  channel_.close();
  listener_.connection_gone();
}

net::Task<> Connection::run(std::unique_ptr<Connection> self) {
  Connection& c = *self;
  Exchange& exchange = c.exchange_;
  while (co_await c.read_head() == Next::serve) {
    c.channel_.watch(&Connection::on_hang_up, &c);
    co_await c.server_.handler_.handle(exchange);
    if (exchange.taken_over_) {
      co_return;
    }
    c.channel_.watch(nullptr, nullptr);
    FLOTILLA_ASSERT(exchange.begun());
    c.channel_.set_deadline(c.server_.loop_.now() + c.server_.limits_.body_timeout);
    if (!co_await c.channel_.drain()) {
      co_return;
    }
    if (!exchange.keep_alive()) {
      co_await c.linger();
      co_return;
    }
    c.finish_request();
  }
}

void Connection::on_hang_up(void* self) {
  Connection& c = *static_cast<Connection*>(self);
  c.server_.counters_.cancelled.add();
  c.server_.scope_.cancel(c.child_);  // destroys the coroutine and this connection
}

void Connection::begin_drain() noexcept {
  if (idle_) {
    channel_.set_deadline(idle_deadline());
  } else if (!exchange_.begun()) {
    exchange_.close_after();  // an answer whose head is still to come says so
  }
}

Instant Connection::idle_deadline() const noexcept {
  const Instant idle = server_.loop_.now() + server_.limits_.idle;
  return server_.draining_since_ == kNever
             ? idle
             : std::min(idle, std::max(server_.draining_since_ + Server::kIdleGrace, server_.loop_.now()));
}

net::Task<Connection::Next> Connection::read_head() {
  Instant head_deadline = server_.loop_.now() + server_.limits_.header_timeout;
  for (;;) {
    if (buffer_) {
      const ParseOutcome outcome = parse_request_head(buffer_->bytes, server_.limits_.head, buffer_->head);
      if (outcome.done()) {
        body_at_ = outcome.consumed;
        break;
      }
      if (outcome.failed()) {
        server_.counters_.malformed_heads.add();
        refuse(outcome.error);
        co_await linger();
        co_return Next::close;
      }
    }
    idle_ = !buffer_;
    channel_.set_deadline(idle_ ? idle_deadline() : head_deadline);
    const auto bytes = co_await channel_.recv();
    if (!bytes || bytes->empty()) {
      if (!idle_ && !bytes && bytes.error() == net::IoError::timeout) {
        server_.counters_.slow_requests.add();
        refuse({408, Reason::slow_request, "the head of the request took too long to arrive"});
        co_await linger();
      }
      co_return Next::close;
    }
    if (idle_) {
      buffer_ = server_.buffers_.take();
      head_deadline = server_.loop_.now() + server_.limits_.header_timeout;
    }
    buffer_->bytes.append(*bytes);
  }
  idle_ = false;
  server_.counters_.requests.add();
  exchange_.start(buffer_->head.keep_alive && server_.draining_since_ == kNever, server_.limits_.body);
  co_return Next::serve;
}

// Answers what could not be parsed, and closes: nothing behind it can be trusted.
void Connection::refuse(const ProtocolError& error) {
  std::string& out = server_.scratch_;
  out.clear();
  const Problem problem{.reason = error.reason, .status = error.status, .detail = error.message};
  append_problem_response(out, problem, {.keep_alive = false, .date = server_.date(), .server = "flotilla"});
  channel_.send(out);
}

net::Task<> Connection::linger() {
  channel_.set_deadline(server_.loop_.now() + kLinger);
  if (!co_await channel_.flush()) {
    co_return;
  }
  if (exchange_.body_.done() && unread().empty() && buffer_ && exchange_.begun()) {
    co_return;  // everything the client sent was read: closing loses nothing
  }
  channel_.shutdown_send();
  for (;;) {
    const auto bytes = co_await channel_.recv();
    if (!bytes || bytes->empty()) {
      co_return;
    }
  }
}

std::string_view Connection::unread() const noexcept {
  return buffer_ ? std::string_view(buffer_->bytes).substr(body_at_) : std::string_view();
}

void Connection::finish_request() noexcept {
  if (unread().empty() && behind_.empty()) {
    buffer_.reset();
    return;
  }
  buffer_->bytes.erase(0, body_at_);
  buffer_->bytes.append(behind_);
  behind_.clear();
  body_at_ = 0;
}

}  // namespace flotilla::http
