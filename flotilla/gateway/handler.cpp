#include "flotilla/gateway/handler.hpp"

#include <fmt/format.h>

#include "flotilla/gateway/compose.hpp"
#include "flotilla/gateway/core/match_input.hpp"
#include "flotilla/gateway/proxy.hpp"
#include "flotilla/gateway/read_view.hpp"
#include "flotilla/gateway/run_command.hpp"
#include "flotilla/gateway/start_saga.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::gateway {
namespace {

// Counts the request when it is over, however it ends: a client that leaves destroys the coroutine.
class Counted {
 public:
  Counted(http::Exchange& exchange, RouteCounters& counters) noexcept
      : exchange_(exchange), counters_(counters) {}
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    const std::size_t hundreds = exchange_.status() / 100;
    if (done_ && hundreds < counters_.answers.size()) {
      counters_.answers[hundreds].add();
    } else {
      counters_.cancelled.add();
    }
    counters_.bytes_sent.add(exchange_.bytes_sent());
    counters_.latency.record(exchange_.loop().now() - exchange_.began());
  }
  void done() noexcept { done_ = true; }

 private:
  http::Exchange& exchange_;
  RouteCounters& counters_;
  bool done_ = false;
};

// The budget a trusted peer gave its request (ours and Envoy's header speak of the same thing).
Instant inherited_deadline(const http::RequestHead& head, bool trusted, Instant now) {
  if (!trusted) {
    return kNever;
  }
  const auto text = head.get(http::FieldId::x_request_timeout_ms);
  const auto millis = text ? parse_int<std::uint32_t>(*text) : std::nullopt;
  return millis ? now + Millis(*millis) : kNever;
}

// Continues the trace of a trusted peer; anybody else's would let clients choose ids and sampling.
telemetry::TraceContext hop_of(const http::RequestHead& head, bool trusted, Random& random,
                               std::string_view& tracestate) {
  if (trusted) {
    const auto header = head.get(http::FieldId::traceparent);
    if (const auto parent = header ? telemetry::parse_traceparent(*header) : std::nullopt) {
      tracestate = head.get(http::FieldId::tracestate).value_or(std::string_view());
      return telemetry::child_of(*parent, random);
    }
  }
  return telemetry::new_trace(random, false);
}

void respond(http::Exchange& exchange, const RespondConfig& answer) {
  std::vector<http::HeaderLine> fields;
  fields.reserve(answer.headers.size());
  for (const auto& [name, value] : answer.headers) {
    fields.push_back({name, value});
  }
  exchange.respond(answer.status, fields, answer.body);
}

}  // namespace

void answer_whole(http::Exchange& exchange, const http::Response& response) {
  std::vector<http::HeaderLine> fields;
  fields.reserve(response.headers.size());
  for (const http::Field& field : response.headers) {
    fields.push_back({field.name, field.value});
  }
  exchange.respond(response.status, fields, response.body);
}

namespace {

void redirect(const RequestContext& request, const RedirectAction& action) {
  std::string to;
  for (const call::TemplatePart& part : action.to) {
    to.append(part.kind == call::TemplatePart::Kind::parameter
                  ? request.captures.get(part.text).value_or(std::string_view())
                  : std::string_view(part.text));
  }
  const http::HeaderLine location{"Location", to};
  request.exchange.respond(action.status, {&location, 1}, {});
}

void answer_unrouted(http::Exchange& exchange, const Router& router, const MatchResult& result,
                     std::string_view path) {
  if (result.kind == MatchResult::Kind::method_not_allowed) {
    const std::string allowed = router.allow(result);
    const http::HeaderLine allow{"Allow", allowed};
    const std::string detail = fmt::format("{} takes {}", path, allowed);
    exchange.problem({.reason = Reason::method_not_allowed, .detail = detail}, {&allow, 1});
    return;
  }
  const std::string detail = fmt::format("no route takes {} {}", exchange.request().method_name, path);
  exchange.problem({.reason = Reason::no_route, .detail = detail});
}

}  // namespace

net::Task<> GatewayHandler::handle(http::Exchange& exchange) {
  const std::shared_ptr<const GatewayView> view = view_;  // this request's, whatever is loaded meanwhile
  const CompiledGateway& gateway = *view->gateway;
  const http::RequestHead& head = exchange.request();
  const bool trusted = !gateway.trusted.empty() && gateway.trusted.contains(exchange.peer());
  std::string_view tracestate;
  const telemetry::TraceContext trace = hop_of(head, trusted, random_, tracestate);
  RequestLog log(access_log_, exchange, *view);
  log.routed({}, trace);
  std::string scratch;
  const auto normal = http::normalize_path(head.path, scratch);
  Captures captures;
  MatchResult result;
  if (normal) {
    result = gateway.router.match(match_input(head, normal->path), captures);
  }
  if (result.kind != MatchResult::Kind::route) {
    Counted counted(exchange, gateway.unrouted->of(view->worker));
    answer_unrouted(exchange, gateway.router, result, normal ? normal->path : head.path);
    counted.done();
    co_return;
  }
  const GatewayRoute& route = gateway.routes[result.route];
  log.routed(route.name, trace);
  const RouteOnWorker& here = view->routes[result.route];
  Counted counted(exchange, *here.counters);
  const RequestContext request{.exchange = exchange,
                               .log = log,
                               .caller = caller_,
                               .view = *view,
                               .route = route,
                               .captures = captures,
                               .path = normal->path,
                               .trusted = trusted,
                               .deadline = inherited_deadline(head, trusted, exchange.began()),
                               .trace = trace,
                               .tracestate = tracestate};
  if (const auto* const action = std::get_if<ProxyAction>(&route.action)) {
    co_await proxy(request, *action, *here.proxied);
  } else if (const auto* const composed = std::get_if<ComposeAction>(&route.action)) {
    co_await compose(request, *composed);
  } else if (const auto* const started = std::get_if<SagaAction>(&route.action)) {
    co_await start_saga(request, *started);
  } else if (const auto* const ran = std::get_if<CommandAction>(&route.action)) {
    co_await run_command(request, *ran);
  } else if (const auto* const read = std::get_if<ViewAction>(&route.action)) {
    co_await read_view(request, *read);
  } else if (const auto* const fixed = std::get_if<RespondAction>(&route.action)) {
    respond(exchange, fixed->answer);
  } else if (const auto* const moved = std::get_if<RedirectAction>(&route.action)) {
    redirect(request, *moved);
  }
  counted.done();
}

}  // namespace flotilla::gateway
