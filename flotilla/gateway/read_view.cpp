#include "flotilla/gateway/read_view.hpp"

#include <algorithm>

#include "flotilla/base/assert.hpp"
#include "flotilla/cqrs/view_answer.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::gateway {
namespace {

// Nothing: the request has a parameter that is empty, or no text.
std::optional<std::string> key_of(const RequestContext& request, const ViewAction& action) {
  std::string key;
  for (const call::TemplatePart& part : action.key) {
    if (part.kind != call::TemplatePart::Kind::parameter) {
      key += part.text;
      continue;
    }
    const auto value = http::percent_decode(request.captures.get(part.text).value_or(std::string_view()));
    if (!value || value->empty()) {
      return std::nullopt;
    }
    key += *value;
  }
  return key;
}

}  // namespace

namespace {

void answer_view(const RequestContext& request, const cqrs::ViewAnswer& answer) {
  const std::string_view if_none_match =
      request.exchange.request().get(http::FieldId::if_none_match).value_or(std::string_view());
  if (answer.body == nullptr) {
    answer_whole(request.exchange, cqrs::view_answer(answer, if_none_match, net::wall_now()));
    return;
  }
  const cqrs::ViewHead head(answer, if_none_match,
                            answer.behind_since_ms == 0 ? WallTime() : net::wall_now());
  request.exchange.respond(head.status(), head.fields(), head.body());
}

}  // namespace

net::Task<> read_view(const RequestContext& request, const ViewAction& action) {
  http::Exchange& exchange = request.exchange;
  FLOTILLA_ASSERT(request.view.views != nullptr);  // whoever knows the view's name runs it
  const http::RequestHead& head = exchange.request();
  if (head.method_name != "GET" && head.method_name != "HEAD") {
    answer_whole(exchange, http::method_response("GET, HEAD"));
    co_return;
  }
  const std::string_view read_after = head.get("Read-After").value_or("");
  std::optional<std::string> key = action.has_key ? key_of(request, action) : std::nullopt;
  if (key && head.query.empty() && read_after.empty()) {
    if (const auto known = request.view.views->from_memory(action.view, *key)) {
      answer_view(request, *known);
      co_return;
    }
  }
  auto ask = cqrs::read_ask(head.query, read_after);
  if (!ask) {
    answer_whole(exchange, cqrs::refusal_answer(ask.error()));
    co_return;
  }
  ask->view = action.view;
  // Waiting longer than a trusted peer waits for us is of no use.
  if (request.deadline != kNever) {
    ask->wait = std::clamp(request.deadline - exchange.loop().now(), Duration::zero(), ask->wait);
  }
  if (action.has_key) {
    ask->key = std::move(key);
    if (!ask->key) {
      answer_whole(exchange, cqrs::refusal_answer({.reason = Reason::malformed,
                                                   .detail = "the path gives no key to read under"}));
      co_return;
    }
  }
  const auto answer = co_await request.view.views->read(std::move(*ask));
  if (answer) {
    answer_view(request, *answer);
  } else {
    answer_whole(exchange, cqrs::refusal_answer(answer.error()));
  }
}

}  // namespace flotilla::gateway
