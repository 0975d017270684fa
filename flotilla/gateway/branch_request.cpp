#include "flotilla/gateway/branch_request.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace flotilla::gateway {
namespace {

constexpr std::array kCarried{std::pair{http::FieldId::authorization, std::string_view("Authorization")},
                              std::pair{http::FieldId::x_request_id, std::string_view("X-Request-Id")}};

}  // namespace

BranchRequest::BranchRequest(const RequestContext& request, const Branch& branch, BranchCall call)
    : request_(request), branch_(branch), call_(std::move(call)) {
  method = http::method_from(branch.call.method());
  idempotency_key = call_.headers.contains("Idempotency-Key");
  if (call_.body) {
    body = *call_.body;
  }
}

void BranchRequest::append_head(std::string& out, const call::AttemptInfo& attempt) {
  const http::Exchange& exchange = request_.exchange;
  const auto line = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  fmt::format_to(std::back_inserter(out), "{} {}{} HTTP/1.1\r\nHost: {}\r\n", branch_.call.method(),
                 attempt.path_prefix, call_.target, attempt.authority);
  line("X-Forwarded-For", exchange.peer_ip());
  line("Accept", "application/json");
  for (const auto& [id, name] : kCarried) {
    if (const auto value = exchange.request().get(id); value && !call_.headers.contains(name)) {
      line(name, *value);
    }
  }
  if (const auto language = exchange.request().get("Accept-Language")) {
    line("Accept-Language", *language);
  }
  const telemetry::TraceparentText traceparent = telemetry::traceparent(request_.trace);
  line("traceparent", {traceparent.data(), traceparent.size()});
  if (!request_.tracestate.empty()) {
    line("tracestate", request_.tracestate);
  }
  for (const http::Field& field : call_.headers) {
    line(field.name, field.value);
  }
  if (call_.body) {
    if (!call_.headers.contains("Content-Type")) {
      line("Content-Type", "application/json");
    }
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  }
  fmt::format_to(std::back_inserter(out), "X-Request-Timeout-Ms: {}\r\n\r\n",
                 std::max(to_millis(attempt.remaining), std::int64_t{1}));
}

std::string BranchRequest::stale_key() const {
  if (method != http::Method::get) {
    return {};
  }
  return fmt::format(
      "{}\n{}\n{}", branch_.call.service().value(), call_.target,
      request_.exchange.request().get(http::FieldId::authorization).value_or(std::string_view()));
}

}  // namespace flotilla::gateway
