#include "flotilla/gateway/run_command.hpp"

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/cqrs/command_answer.hpp"
#include "flotilla/cqrs/command_runner.hpp"
#include "flotilla/http/core/api_answer.hpp"

namespace flotilla::gateway {
namespace {

cqrs::CommandFields fields_of(const http::RequestHead& head) {
  cqrs::CommandFields fields;
  for (const http::FieldView& field : head.fields) {
    if (iequals(field.name, "Idempotency-Key")) {
      fields.key.push_back(field.value);
    } else if (iequals(field.name, "If-Match")) {
      fields.if_match.push_back(field.value);
    }
  }
  return fields;
}

}  // namespace

net::Task<> run_command(const RequestContext& request, const CommandAction& action) {
  http::Exchange& exchange = request.exchange;
  FLOTILLA_ASSERT(request.view.commands != nullptr);  // whoever knows the command's name runs it
  const http::RequestHead& head = exchange.request();
  if (head.method_name != "POST") {
    answer_whole(exchange, http::method_response("POST"));
    co_return;
  }
  exchange.limit_body(cqrs::kMaxCommand);
  const auto body = co_await exchange.read_whole_body();
  if (!body) {
    exchange.answer_failure(body.error());
    co_return;
  }
  auto ask = cqrs::read_command(fields_of(head), *body, "gateway/" + request.view.gateway->name);
  if (!ask) {
    answer_whole(exchange, cqrs::command_refusal(ask.error()));
    co_return;
  }
  const telemetry::TraceparentText trace = telemetry::traceparent(request.trace);
  ask->traceparent = std::string(trace.data(), trace.size());
  // Who names the transaction could mix what he does into somebody else's picture of it.
  if (request.trusted) {
    ask->correlation = cqrs::command_identifier(head.get("Correlation-Id").value_or(""));
    ask->causation = cqrs::command_identifier(head.get("Causation-Id").value_or(""));
  }
  const cqrs::CommandAnswer answer =
      co_await request.view.commands->execute({.name = action.command, .ask = std::move(*ask)});
  answer_whole(exchange, cqrs::command_answer(answer));
}

}  // namespace flotilla::gateway
