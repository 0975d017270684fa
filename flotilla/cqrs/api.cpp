#include "flotilla/cqrs/api.hpp"

#include <utility>

#include "flotilla/cqrs/view_answer.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::cqrs {

bool Api::serves(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.starts_with(kPrefix) && (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

net::Task<http::Response> Api::handle(http::Request request, net::SocketAddress /*peer*/) {
  auto path = http::read_api_path(request.target, kPrefix);
  if (!path && path.error() == http::NoApiPath::malformed) {
    co_return refusal_answer({.reason = Reason::malformed,
                              .detail = "the path has a % that is not followed by two hexadecimal digits"});
  }
  if (!path || path->segments.empty() || path->segments.size() > 2 || path->segments.back().empty()) {
    co_return refusal_answer({.reason = Reason::not_found,
                              .detail = "the API has no such path; views are at /v1/views/{view} and "
                                        "/v1/views/{view}/{key}"});
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  auto ask = read_ask(path->query, request.headers.get("Read-After").value_or(""));
  if (!ask) {
    co_return refusal_answer(ask.error());
  }
  ask->view = std::move(path->segments[0]);
  if (path->segments.size() == 2) {
    ask->key = std::move(path->segments[1]);
  }
  const auto answer = co_await reader_.read(std::move(*ask));
  co_return answer ? view_answer(*answer, request.headers.get("If-None-Match").value_or(""), net::wall_now())
                   : refusal_answer(answer.error());
}

}  // namespace flotilla::cqrs
