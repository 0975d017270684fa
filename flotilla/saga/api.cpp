#include "flotilla/saga/api.hpp"

#include "flotilla/http/core/uri.hpp"
#include "flotilla/saga/answers.hpp"
#include "flotilla/saga/asked.hpp"
#include "flotilla/saga/endpoints.hpp"
#include "flotilla/saga/who_why.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::saga {
namespace {

constexpr std::string_view kPrefix = "/v1/sagas";
// Services are one principal: they share the port's token. Keys of a gateway's clients are apart from theirs.
constexpr std::string_view kPrincipal = "api";

http::Response no_such_path() {
  return problem_answer(Reason::not_found,
                        "the API has no such path; sagas are at /v1/sagas/{name} and /v1/sagas/{id}");
}

}  // namespace

net::Task<http::Response> Api::handle(http::Request request, net::SocketAddress peer) {
  constexpr std::string_view kCallbacks = kCallbackPath.substr(0, kCallbackPath.size() - 1);
  auto reported = read_target(request.target, kCallbacks);
  if (reported && *reported && (*reported)->segments.size() == 1) {
    if (request.method != "POST") {
      co_return method_answer("POST");
    }
    co_return co_await callback(std::move((*reported)->segments[0]), std::move(request));
  }
  auto target = read_target(request.target, kPrefix);
  if (!target) {
    co_return problem_answer(target.error());
  }
  if (!*target) {
    co_return no_such_path();
  }
  auto& [segments, query] = **target;
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (segments.empty()) {
    co_return get ? co_await list_sagas(sagas_, std::move(query)) : method_answer("GET, HEAD");
  }
  if (segments.size() == 1 && segments[0] == "count" && get) {  // no id; a saga of that name can be started
    co_return co_await count_sagas(sagas_, std::move(query));
  }
  if (segments.size() == 1 && get) {
    co_return co_await show_saga(sagas_, std::move(segments[0]), std::move(query));
  }
  const bool cancel_of = segments.size() == 2 && segments[1] == "cancel";
  const bool signal_of = segments.size() == 3 && segments[1] == "signal";
  if (segments.size() != 1 && !cancel_of && !signal_of) {
    co_return no_such_path();
  }
  if (request.method != "POST") {
    co_return method_answer(segments.size() == 1 ? "GET, HEAD, POST" : "POST");
  }
  if (cancel_of) {
    co_return co_await cancel(std::move(segments[0]), std::move(request), peer);
  }
  if (signal_of) {
    co_return co_await signal_saga(sagas_, std::move(segments[0]), std::move(segments[2]),
                                   std::move(request));
  }
  co_return co_await start(std::move(segments[0]), std::move(query), std::move(request));
}

net::Task<http::Response> Api::start(std::string name, std::string query, http::Request request) {
  auto key = read_key(field_values(request.headers, "Idempotency-Key"));
  if (!key) {
    co_return problem_answer(key.error());
  }
  const auto patience = http::query_value(query, "wait");
  const auto wait = patience ? read_wait(*patience) : Asked<Duration>(Duration::zero());
  if (!wait) {
    co_return problem_answer(wait.error());
  }
  auto input = read_payload(request.body);
  if (!input) {
    co_return problem_answer(input.error());
  }
  const std::string_view trace = request.headers.get("traceparent").value_or("");
  const auto started = co_await sagas_.start(
      {.name = std::move(name),
       .principal = std::string(kPrincipal),
       .key = std::move(*key),
       .input = std::move(*input),
       .trace = std::string(telemetry::parse_traceparent(trace) ? trace : std::string_view()),
       .correlation = correlation_of(request.headers.get("Correlation-Id").value_or("")),
       .wait = *wait});
  co_return started ? start_answer(*started) : problem_answer(started.error());
}

net::Task<http::Response> Api::cancel(std::string id, http::Request request, net::SocketAddress peer) {
  const auto saga = read_id(id);
  if (!saga) {
    co_return problem_answer(saga.error());
  }
  WhoWhy said{.who = peer.ip(), .why = "cancelled by the application"};
  if (!request.body.empty()) {
    const auto body = read_payload(request.body);
    if (!body) {
      co_return problem_answer(body.error());
    }
    if (const auto read = read_who_why(*body, said); !read) {
      co_return problem_answer(read.error());
    }
    if (const auto read = refuse_other_members(*body, {"who", "why"}); !read) {
      co_return problem_answer(read.error());
    }
  }
  co_return co_await cancel_saga(sagas_, {.saga = *saga, .who = said.who, .why = said.why});
}

net::Task<http::Response> Api::callback(std::string key, http::Request request) {
  const auto done =
      co_await sagas_.callback({.key = std::move(key),
                                .outcome = std::string(request.headers.get("Saga-Outcome").value_or("")),
                                .body = std::move(request.body)});
  co_return done ? http::Response{.status = 204, .headers = {}, .body = {}} : problem_answer(done.error());
}

}  // namespace flotilla::saga
