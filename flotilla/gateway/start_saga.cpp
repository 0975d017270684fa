#include "flotilla/gateway/start_saga.hpp"

#include <algorithm>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/saga/answers.hpp"
#include "flotilla/saga/asked.hpp"
#include "flotilla/saga/who_why.hpp"

namespace flotilla::gateway {
namespace {

std::vector<std::string_view> key_fields(const http::RequestHead& head) {
  std::vector<std::string_view> values;
  for (const http::FieldView& field : head.fields) {
    if (iequals(field.name, "Idempotency-Key")) {
      values.push_back(field.value);
    }
  }
  return values;
}

// Waiting longer than a trusted peer waits for us is of no use.
Duration patience(const RequestContext& request, Duration wait) {
  const Instant now = request.exchange.loop().now();
  return request.deadline == kNever ? wait : std::clamp(request.deadline - now, Duration::zero(), wait);
}

}  // namespace

net::Task<> start_saga(const RequestContext& request, const SagaAction& action) {
  http::Exchange& exchange = request.exchange;
  FLOTILLA_ASSERT(request.view.sagas != nullptr);  // whoever knows the saga's name runs it
  exchange.limit_body(saga::kMaxPayload);
  const auto body = co_await exchange.read_whole_body();
  if (!body) {
    exchange.answer_failure(body.error());
    co_return;
  }
  const http::RequestHead& head = exchange.request();
  auto key = saga::read_key(key_fields(head));
  if (!key) {
    answer_whole(exchange, saga::problem_answer(key.error()));
    co_return;
  }
  auto input = saga::read_payload(*body);
  if (!input) {
    answer_whole(exchange, saga::problem_answer(input.error()));
    co_return;
  }
  const telemetry::TraceparentText trace = telemetry::traceparent(request.trace);
  // Who names the transaction could mix what he does into somebody else's picture of it.
  const std::string_view correlation =
      request.trusted ? head.get("Correlation-Id").value_or("") : std::string_view();
  const auto started =
      co_await request.view.sagas->start({.name = action.saga,
                                          .principal = "gateway/" + request.view.gateway->name,
                                          .key = std::move(*key),
                                          .input = std::move(*input),
                                          .trace = std::string(trace.data(), trace.size()),
                                          .correlation = saga::correlation_of(correlation),
                                          .wait = patience(request, action.wait)});
  answer_whole(exchange, started ? saga::start_outcome(*started) : saga::problem_answer(started.error()));
}

}  // namespace flotilla::gateway
