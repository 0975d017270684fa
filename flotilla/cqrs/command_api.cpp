#include "flotilla/cqrs/command_api.hpp"

#include <utility>

#include "flotilla/cqrs/command_answer.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::cqrs {
namespace {

// Services are one principal: they share the port's token. Keys of a gateway's clients are apart from theirs.
constexpr std::string_view kPrincipal = "api";

std::vector<std::string_view> values_of(const http::Fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const http::Field& field : fields) {
    if (iequals(field.name, name)) {
      values.push_back(field.value);
    }
  }
  return values;
}

}  // namespace

bool CommandApi::serves(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.starts_with(kPrefix) && (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

net::Task<http::Response> CommandApi::handle(http::Request request, net::SocketAddress /*peer*/) {
  auto path = http::read_api_path(request.target, kPrefix);
  if (!path && path.error() == http::NoApiPath::malformed) {
    co_return command_refusal({.reason = Reason::malformed,
                               .detail = "the path has a % that is not followed by two hexadecimal digits"});
  }
  if (!path || path->segments.size() != 1 || path->segments.front().empty()) {
    co_return command_refusal({.reason = Reason::not_found,
                               .detail = "the API has no such path; a command is at /v1/commands/{name}"});
  }
  if (request.method != "POST") {
    co_return http::method_response("POST");
  }
  const auto forwarded = request.headers.get(kForwardedCommand);
  auto ask = read_command({.key = values_of(request.headers, "Idempotency-Key"),
                           .if_match = values_of(request.headers, "If-Match")},
                          request.body, std::string(forwarded.value_or(kPrincipal)));
  if (!ask) {
    co_return command_refusal(ask.error());
  }
  ask->correlation = command_identifier(request.headers.get("Correlation-Id").value_or(""));
  ask->causation = command_identifier(request.headers.get("Causation-Id").value_or(""));
  const std::string_view trace = request.headers.get("traceparent").value_or("");
  ask->traceparent = telemetry::parse_traceparent(trace) ? trace : std::string_view();
  co_return command_answer(co_await runner_.execute({.name = std::move(path->segments.front()),
                                                     .ask = std::move(*ask),
                                                     .forwarded = forwarded.has_value()}));
}

}  // namespace flotilla::cqrs
