#include "flotilla/gateway/proxy.hpp"

#include <fmt/format.h>

#include "flotilla/gateway/proxy_request.hpp"
#include "flotilla/gateway/tunnel.hpp"

namespace flotilla::gateway {
namespace {

// Up to this size copying a body behind its head is cheaper than sending two pieces (io rule 5).
constexpr std::size_t kJoined = 8192;
constexpr Duration kStalledClient = std::chrono::seconds(60);

// What is kept of an answer while it passes, for the stale fallback.
struct StaleCopy {
  bool wanted = false;
  std::string key;
  http::Response response;
  void add(std::string_view piece) {
    if (wanted && response.body.size() + piece.size() <= call::StaleCache::kLongestBody) {
      response.body.append(piece);
    } else {
      wanted = false;
    }
  }
};

http::FramingOut framing_for(const http::Exchange& exchange, const http::Upstream& upstream,
                             std::string_view piece) {
  // The answer to a HEAD, and a 304, have no body but tell the length of the one they stand for.
  if (exchange.request().method == http::Method::head || upstream.head().status == 304) {
    return {};
  }
  const http::FramingOut kept = http::kept_framing(upstream.head(), exchange.request().version);
  // A chunked answer that is here as a whole is shorter, and cheaper to read, with its length.
  if (kept.kind == http::FramingOut::Kind::chunked && upstream.body_done() &&
      upstream.trailers().size() == 0) {
    return {http::FramingOut::Kind::length, piece.size()};
  }
  return kept;
}

// How the streaming of an answer ended.
enum class Streamed : std::uint8_t { whole, service_broke, client_gone };

// Streams what follows the head and the first piece.
net::Task<Streamed> stream_rest(http::Exchange& exchange, http::Upstream& upstream, bool chunked,
                                Duration gap, StaleCopy& copy) {
  std::string size;
  while (!upstream.body_done()) {
    upstream.set_deadline(exchange.loop().now() + gap);
    const auto piece = co_await upstream.read_body();
    if (!piece) {
      co_return Streamed::service_broke;
    }
    if (piece->empty()) {
      break;
    }
    copy.add(*piece);
    exchange.count_sent(piece->size());
    if (chunked) {
      size.clear();
      http::append_chunk_size(size, piece->size());
      exchange.channel().send(size, *piece);
      exchange.channel().send(http::kChunkEnd);
    } else {
      exchange.channel().send(*piece);
    }
    exchange.channel().set_deadline(exchange.loop().now() + kStalledClient);
    if (!co_await exchange.channel().drain()) {
      co_return Streamed::client_gone;
    }
  }
  if (chunked) {
    size.clear();
    http::append_last_chunk(size, upstream.trailers());
    exchange.channel().send(size);
  }
  co_return Streamed::whole;
}

enum class Begun : std::uint8_t { failed, whole, partly, partly_chunked };

// Sends the head and what came with it. Not a coroutine: head and piece lie in the loop's read buffer, and
// most answers end here.
Begun begin_answer(http::Exchange& exchange, std::string_view service, call::LiveAnswer& answer,
                   StaleCopy& copy) {
  http::Upstream& upstream = answer.upstream();
  const auto piece = upstream.arrived_body();
  if (!piece) {
    answer.broken(exchange.loop().now());
    exchange.problem({.reason = Reason::bad_answer,
                      .detail = piece.error().detail,
                      .service = service,
                      .effect = Effect::unknown});
    return Begun::failed;
  }
  const std::uint16_t status = answer.head().status;
  const bool head_only = exchange.request().method == http::Method::head;
  const http::FramingOut framing = framing_for(exchange, upstream, *piece);
  const bool chunked = framing.kind == http::FramingOut::Kind::chunked && !head_only;
  if (framing.kind == http::FramingOut::Kind::none &&
      answer.head().framing.kind == http::Framing::Kind::until_close) {
    exchange.close_after();
  }
  if (copy.wanted) {
    copy.response.status = status;
    copy.response.headers = answer.head().copy_fields();
    copy.add(*piece);
  }
  std::string& out = exchange.scratch();
  http::append_response_head(out, answer.head(),
                             {.framing = framing,
                              .request_method = exchange.request().method,
                              .client_version = exchange.request().version,
                              .keep_alive = exchange.keep_alive(),
                              .date = exchange.date(),
                              .server = "flotilla"});
  const bool whole = upstream.body_done();
  if (chunked && !piece->empty()) {
    http::append_chunk(out, *piece);
    if (whole) {
      http::append_last_chunk(out, upstream.trailers());
    }
    exchange.begin(status, out);
  } else if (piece->size() <= kJoined) {
    out.append(*piece);
    exchange.begin(status, out);
  } else {
    exchange.begin(status, out, *piece);
  }
  return whole ? Begun::whole : chunked ? Begun::partly_chunked : Begun::partly;
}

// What begin_answer left to do.
net::Task<bool> answer_rest(http::Exchange& exchange, call::LiveAnswer& answer, bool chunked, Duration gap,
                            StaleCopy& copy) {
  const Streamed end = co_await stream_rest(exchange, answer.upstream(), chunked, gap, copy);
  if (end == Streamed::whole) {
    co_return true;
  }
  if (end == Streamed::service_broke) {
    answer.broken(exchange.loop().now());  // a client that left or stopped reading is not its failure
  }
  exchange.abort();  // an answer that is not whole must not look whole
  co_return false;
}

void answer_fallback(http::Exchange& exchange, const call::FallbackAnswer& answer) {
  std::vector<http::HeaderLine> fields;
  fields.reserve(answer.response.headers.size() + 1);
  for (const http::Field& field : answer.response.headers) {
    fields.push_back({field.name, field.value});
  }
  fields.push_back({"Flotilla-Fallback", call::to_string(answer.kind)});
  exchange.respond(answer.response.status, fields, answer.response.body);
}

}  // namespace

void answer_refusal(http::Exchange& exchange, const call::Refusal& refusal, std::string_view service) {
  const http::Problem problem{.reason = refusal.reason,
                              .detail = refusal.detail,
                              .service = service,
                              .effect = refusal.effect,
                              .retry_after = http::retry_after_seconds(refusal.retry_after)};
  exchange.problem(problem);
}

net::Task<> proxy(const RequestContext& request, const ProxyAction& action, call::WorkerService& service) {
  http::Exchange& exchange = request.exchange;
  ProxyRequest outgoing(request, action);
  if (exchange.request().framing.has_body() && !co_await outgoing.prepare()) {
    exchange.answer_failure(*outgoing.failure());
    co_return;
  }
  call::Answer answer;
  request.log.calls(service.service->name().value());
  co_await request.caller.call(*request.view.services, service, outgoing, request.deadline, answer);
  request.log.called(answer);
  if (outgoing.failure()) {
    exchange.answer_failure(*outgoing.failure());
  } else if (call::LiveAnswer* const live = answer.live()) {
    if (live->head().status == 101) {
      co_await tunnel(exchange, *live);
      co_return;
    }
    StaleCopy copy{.wanted = call::Caller::wants_stale(service, outgoing)};
    if (copy.wanted) {
      copy.key = outgoing.stale_key();
    }
    const call::Service& called = *service.service;
    const Begun begun = begin_answer(exchange, called.name().value(), *live, copy);
    if (begun == Begun::failed ||
        (begun != Begun::whole && !co_await answer_rest(exchange, *live, begun == Begun::partly_chunked,
                                                        called.config().timeout, copy))) {
      co_return;
    }
    live->finish(exchange.loop().now());
    if (copy.wanted) {
      request.caller.keep_stale(copy.key, copy.response);
    }
  } else if (const call::FallbackAnswer* const fallback = answer.fallback()) {
    answer_fallback(exchange, *fallback);
  } else {
    answer_refusal(exchange, *answer.refusal(), service.service->name().value());
  }
}

}  // namespace flotilla::gateway
