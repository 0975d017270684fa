// The Exchange of server.hpp: reading a request's body and answering it.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/http/connection.hpp"
#include "flotilla/http/core/status.hpp"

namespace flotilla::http {

const RequestHead& Exchange::request() const noexcept { return connection_.buffer_->head; }
net::Loop& Exchange::loop() const noexcept { return connection_.server_.loop_; }
net::Channel& Exchange::channel() noexcept { return connection_.channel_; }
std::string_view Exchange::peer_ip() const noexcept { return connection_.peer_ip_; }
const net::SocketAddress& Exchange::peer() const noexcept { return connection_.peer_; }
const net::SocketAddress& Exchange::local() const noexcept { return connection_.local_; }
std::string_view Exchange::date() noexcept { return connection_.server_.date(); }
ServerCounters& Exchange::counters() noexcept { return connection_.server_.counters_; }
bool Exchange::keep_alive() const noexcept { return keep_alive_ && body_.done(); }

std::string& Exchange::scratch() noexcept {
  connection_.server_.scratch_.clear();
  return connection_.server_.scratch_;
}

void Exchange::start(bool keep_alive, std::uint64_t body_limit) {
  began_ = loop().now();
  body_limit_ = body_limit;
  bytes_sent_ = 0;
  reason_.reset();
  status_ = 0;
  keep_alive_ = keep_alive;
  continue_pending_ = request().expect_continue;
  taken_over_ = body_failed_ = false;
  body_.start(request().framing, {.total = body_limit_});
  if (!request().framing.has_body()) {
    (void)body_.feed({});  // an empty body is done at once
  }
}

void Exchange::limit_body(std::uint64_t bytes) noexcept {
  if (bytes < body_limit_ && !body_.done()) {
    body_limit_ = bytes;
    body_.start(request().framing, {.total = body_limit_});
  }
}

Instant Exchange::read_deadline() const noexcept {
  const Instant now = loop().now();
  const auto earned = std::chrono::seconds(static_cast<std::int64_t>(body_.received() / kSlowestBody));
  return std::min(now + connection_.server_.limits_.body_timeout,
                  std::max(began_ + kSlowBodyGrace + earned, now));
}

// Takes the payload out of its framing, in place: the pieces of several chunks are moved together, so
// that one read gives one piece.
std::expected<std::string_view, BodyFailure> Exchange::decode(char* bytes, std::size_t size,
                                                              std::size_t& consumed) {
  char* const begin = bytes;
  char* end = nullptr;
  consumed = 0;
  for (;;) {
    const BodyDecoder::Piece piece = body_.feed({bytes + consumed, size - consumed});
    consumed += piece.consumed;
    if (piece.state == BodyDecoder::Piece::State::error) {
      body_failed_ = true;
      counters().malformed_bodies.add();
      return std::unexpected(BodyFailure{BodyFailure::Kind::malformed, piece.error});
    }
    if (!piece.data.empty()) {
      if (end == nullptr) {
        end = begin;
      }
      if (piece.data.data() != end) {
        std::memmove(end, piece.data.data(), piece.data.size());
      }
      end += piece.data.size();
    }
    if (piece.state == BodyDecoder::Piece::State::done || consumed == size) {
      return end == nullptr ? std::string_view()
                            : std::string_view(begin, static_cast<std::size_t>(end - begin));
    }
  }
}

std::expected<std::string_view, BodyFailure> Exchange::arrived_body() noexcept {
  if (body_.done()) {
    return std::string_view();
  }
  std::string& bytes = connection_.buffer_->bytes;
  std::size_t consumed = 0;
  const std::size_t at = connection_.body_at_;
  const auto piece = decode(bytes.data() + at, bytes.size() - at, consumed);
  connection_.body_at_ += consumed;
  return piece;
}

net::Task<std::expected<std::string_view, BodyFailure>> Exchange::read_body() {
  if (auto piece = arrived_body(); !piece || !piece->empty()) {
    co_return piece;
  }
  if (continue_pending_ && !body_.done()) {
    continue_pending_ = false;
    if (request().framing.length > body_limit_) {
      body_failed_ = true;
      co_return std::unexpected(
          BodyFailure{BodyFailure::Kind::malformed,
                      {413, Reason::too_large, "the body is larger than this route takes"}});
    }
    channel().send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  while (!body_.done()) {
    channel().set_deadline(read_deadline());
    const auto received = co_await channel().recv();
    if (!received || received->empty()) {
      body_failed_ = true;
      if (!received && received.error() == net::IoError::timeout) {
        counters().slow_requests.add();
        co_return std::unexpected(BodyFailure{
            BodyFailure::Kind::slow, {408, Reason::slow_request, "the body took too long to arrive"}});
      }
      co_return std::unexpected(BodyFailure{BodyFailure::Kind::gone, {}});
    }
    std::size_t consumed = 0;
    // The bytes are in the loop's read buffer, which is ours until the next await.
    const auto piece = decode(loop().read_buffer().data(), received->size(), consumed);
    if (piece && consumed < received->size()) {
      connection_.behind_.append(received->substr(consumed));
    }
    if (!piece || !piece->empty()) {
      co_return piece;
    }
  }
  co_return std::string_view();
}

net::Task<std::expected<std::string, BodyFailure>> Exchange::read_whole_body() {
  std::string whole;
  for (;;) {
    const auto piece = co_await read_body();
    if (!piece) {
      co_return std::unexpected(piece.error());
    }
    if (piece->empty()) {
      co_return whole;
    }
    whole.append(*piece);
  }
}

void Exchange::begin(std::uint16_t status, std::string_view head, std::string_view body) {
  FLOTILLA_ASSERT(!begun());
  status_ = status;
  bytes_sent_ += head.size() + body.size();
  channel().send(head, body);
}

void Exchange::respond(std::uint16_t status, std::span<const HeaderLine> fields, std::string_view body) {
  std::string& out = scratch();
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  for (const HeaderLine& field : fields) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  if (!status_has_no_body(status)) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  }
  out.append("Date: ").append(date()).append("\r\nServer: flotilla\r\n");
  if (!keep_alive()) {
    out.append("Connection: close\r\n");
  } else if (request().version == Version::http_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  const bool has_body = request().method != Method::head && !status_has_no_body(status);
  begin(status, out, has_body ? body : std::string_view());
}

void Exchange::problem(const Problem& problem, std::span<const HeaderLine> extra) {
  reason_ = problem.reason;
  std::string& out = scratch();
  append_problem_response(out, problem,
                          {.keep_alive = keep_alive(),
                           .head_request = request().method == Method::head,
                           .client_version = request().version,
                           .date = date(),
                           .server = "flotilla",
                           .extra = extra});
  begin(problem.status != 0 ? problem.status : default_status(problem.reason), out);
}

void Exchange::answer_failure(const BodyFailure& failure) {
  close_after();
  if (begun()) {
    abort();
    return;
  }
  if (failure.kind == BodyFailure::Kind::gone) {
    status_ = 400;  // nobody is there to read it
    reason_ = Reason::malformed;
    return;
  }
  problem({.reason = failure.error.reason, .status = failure.error.status, .detail = failure.error.message});
}

void Exchange::abort() noexcept {
  close_after();
  taken_over_ = true;
  channel().abort();
}

std::string Exchange::take_over() noexcept {
  taken_over_ = true;
  channel().watch(nullptr, nullptr);
  std::string rest(connection_.unread());
  rest.append(connection_.behind_);
  return rest;
}

}  // namespace flotilla::http
