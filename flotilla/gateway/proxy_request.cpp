#include "flotilla/gateway/proxy_request.hpp"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace flotilla::gateway {
namespace {

// Left for the way back when a deadline is told to a service.
constexpr Duration kDeadlineMargin = std::chrono::milliseconds(1);

}  // namespace

ProxyRequest::ProxyRequest(const RequestContext& request, const ProxyAction& action)
    : request_(request), action_(action) {
  const http::RequestHead& head = request.exchange.request();
  method = head.method;
  idempotency_key = head.has(http::FieldId::idempotency_key);
  upgrade = head.websocket;
}

net::Task<bool> ProxyRequest::prepare() {
  http::Exchange& exchange = request_.exchange;
  const http::Framing& received = exchange.request().framing;
  auto piece = exchange.arrived_body();
  if (!piece) {
    failure_ = piece.error();
    co_return false;
  }
  if (exchange.body_done()) {
    body = *piece;  // stays where it is for as long as the exchange
    framing_ = {http::FramingOut::Kind::length, body.size()};
    co_return true;
  }
  const bool sized = received.kind == http::Framing::Kind::length;
  if (sized && received.length <= kReplayed) {
    kept_.assign(*piece);
    auto rest = co_await exchange.read_whole_body();
    if (!rest) {
      failure_ = rest.error();
      co_return false;
    }
    kept_.append(*rest);
    body = kept_;
    framing_ = {http::FramingOut::Kind::length, kept_.size()};
    co_return true;
  }
  streams = true;
  framing_ = sized ? http::FramingOut{http::FramingOut::Kind::length, received.length}
                   : http::FramingOut{http::FramingOut::Kind::chunked, 0};
  if (!piece->empty()) {
    frame(kept_, *piece);
    body = kept_;
  }
  co_return true;
}

void ProxyRequest::frame(std::string& out, std::string_view piece) const {
  if (framing_.kind == http::FramingOut::Kind::chunked) {
    http::append_chunk(out, piece);
  } else {
    out.append(piece);
  }
}

void ProxyRequest::append_head(std::string& out, const call::AttemptInfo& attempt) {
  const http::Exchange& exchange = request_.exchange;
  const http::RequestHead& head = exchange.request();
  std::string target;
  target.reserve(attempt.path_prefix.size() + request_.path.size() + head.query.size() + 2);
  target.append(attempt.path_prefix);
  std::string_view path = request_.path;
  if (!action_.strip_prefix.empty() && path.starts_with(action_.strip_prefix)) {
    path.remove_prefix(action_.strip_prefix.size());
    if (!path.starts_with('/')) {
      target.append("/");
    }
  }
  target.append(path);
  if (head.has_query) {
    target.append("?").append(head.query);
  }
  std::array<char, 24> timeout{};
  const auto left = std::max(to_millis(attempt.remaining - kDeadlineMargin), std::int64_t{1});
  const auto* const end = std::to_chars(timeout.data(), timeout.data() + timeout.size(), left).ptr;
  const http::HeaderLine deadline{"X-Request-Timeout-Ms",
                                  {timeout.data(), static_cast<std::size_t>(end - timeout.data())}};
  const telemetry::TraceparentText traceparent = telemetry::traceparent(request_.trace);
  http::ForwardOptions options;
  options.framing = framing_;
  options.host = action_.preserve_host ? std::string_view() : attempt.authority;
  options.peer_address = exchange.peer_ip();
  options.trusted_peer = request_.trusted;
  options.port = exchange.local().port();
  options.drop = http::field_bit(http::FieldId::x_request_timeout_ms);
  options.traceparent = {traceparent.data(), traceparent.size()};
  options.tracestate = request_.tracestate;
  options.extra = {&deadline, 1};
  http::append_request_head(out, head.method_name, target, head, options);
}

net::Task<bool> ProxyRequest::stream_body(net::Channel& to) {
  http::Exchange& exchange = request_.exchange;
  std::string framed;
  for (;;) {
    const auto piece = co_await exchange.read_body();
    if (!piece) {
      failure_ = piece.error();
      co_return false;
    }
    if (piece->empty()) {
      break;
    }
    if (framing_.kind == http::FramingOut::Kind::chunked) {
      framed.clear();
      http::append_chunk_size(framed, piece->size());
      to.send(framed, *piece);
      to.send(http::kChunkEnd);
    } else {
      to.send(*piece);
    }
    if (!co_await to.drain()) {
      co_return true;  // the service does not take more; its answer, or its end, tells why
    }
  }
  if (framing_.kind == http::FramingOut::Kind::chunked) {
    framed.clear();
    http::append_last_chunk(framed, exchange.trailers());
    to.send(framed);
  }
  co_return true;
}

// Answers differ by who asks, so the identity is part of the name.
std::string ProxyRequest::stale_key() const {
  const http::RequestHead& head = request_.exchange.request();
  if (method != http::Method::get) {
    return {};
  }
  const auto field = [&](http::FieldId id) { return head.get(id).value_or(std::string_view()); };
  return fmt::format("{}\n{}?{}\n{}\n{}\n{}", action_.service.value(), request_.path, head.query,
                     field(http::FieldId::authorization), field(http::FieldId::cookie),
                     field(http::FieldId::accept));
}

}  // namespace flotilla::gateway
