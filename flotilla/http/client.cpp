#include "flotilla/http/client.hpp"

#include <fmt/format.h>

#include "flotilla/http/connection_pool.hpp"

namespace flotilla::http {
namespace {

std::string serialize(const Request& request, const std::string& host) {
  std::string out = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
  if (!request.headers.contains("Host")) {
    out.append("Host: ").append(host).append("\r\n");
  }
  for (const Field& field : request.headers) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", request.body.size());
  }
  out.append("Connection: close\r\n\r\n").append(request.body);
  return out;
}

std::unexpected<Error> failure(const UpstreamFailure& failed, const net::SocketAddress& address) {
  const Errc code = failed.kind == UpstreamFailure::Kind::timeout      ? Errc::timeout
                    : failed.kind == UpstreamFailure::Kind::bad_answer ? Errc::invalid
                                                                       : Errc::unavailable;
  return fail(code, fmt::format("{}: {}", address.to_string(), failed.detail));
}

}  // namespace

net::Task<Result<Response>> fetch(net::Loop& loop, net::SocketAddress address, std::string host,
                                  Request request, FetchOptions options) {
  ObjectPool<detail::Answer> answers;
  ConnectionPool pool(loop, address, answers);
  auto upstream = co_await pool.connect(options.deadline);
  if (!upstream) {
    co_return fail(upstream.error() == net::IoError::timeout ? Errc::timeout : Errc::unavailable,
                   fmt::format("{}: {}", address.to_string(), net::to_string(upstream.error())));
  }
  upstream->set_deadline(options.deadline);
  upstream->send(serialize(request, host));
  const auto head = co_await upstream->read_head(method_from(request.method));
  if (!head) {
    co_return failure(head.error(), address);
  }
  // Copied before the body is awaited: the head's text lies in the read buffer.
  Response response{.status = upstream->head().status, .headers = upstream->head().copy_fields()};
  auto piece = upstream->arrived_body();
  for (;;) {
    if (!piece) {
      co_return failure(piece.error(), address);
    }
    response.body.append(*piece);
    if (response.body.size() > options.most_body) {
      co_return fail(Errc::limit, fmt::format("{}: the answer is longer than {} bytes", address.to_string(),
                                              options.most_body));
    }
    if (upstream->body_done()) {
      co_return response;
    }
    piece = co_await upstream->read_body();
  }
}

}  // namespace flotilla::http
