#include "flotilla/http/core/api_answer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"

namespace flotilla::http {

std::expected<ApiPath, NoApiPath> read_api_path(std::string_view target, std::string_view prefix) {
  const std::size_t mark = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, mark);
  if (!path.starts_with(prefix) || (path.size() > prefix.size() && path[prefix.size()] != '/')) {
    return std::unexpected(NoApiPath::elsewhere);
  }
  path.remove_prefix(prefix.size());
  ApiPath read{.segments = {}, .query = std::string(mark == target.size() ? "" : target.substr(mark + 1))};
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = percent_decode(path.substr(0, end));
    if (!segment) {
      return std::unexpected(NoApiPath::malformed);
    }
    read.segments.push_back(std::move(*segment));
    path.remove_prefix(end);
  }
  return read;
}

Response problem_response(const Problem& problem) {
  Response response{.status = problem.status == 0 ? default_status(problem.reason) : problem.status,
                    .headers = {{"Content-Type", "application/problem+json"},
                                {"Flotilla-Error", std::string(to_string(problem.reason))}},
                    .body = problem_body(problem)};
  if (problem.retry_after) {
    response.headers.add("Retry-After", std::to_string(*problem.retry_after));
  }
  return response;
}

Response method_response(std::string_view allow) {
  const std::string detail = fmt::format("the path takes {}", allow);
  Response response = problem_response({.reason = Reason::method_not_allowed, .detail = detail});
  response.headers.add("Allow", std::string(allow));
  return response;
}

Response json_response(std::string json, std::uint16_t status) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = std::move(json)};
}

}  // namespace flotilla::http
