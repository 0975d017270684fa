#include "service.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "saga_rows.hpp"

namespace shop {
namespace {

using flotilla::http::Request;
using flotilla::http::Response;
using flotilla::json::Value;
using flotilla::net::Task;

constexpr std::string_view kAnswers = "answers";  // the table of answered idempotency keys
constexpr std::size_t kLongestKey = 255;

// "/users/{id}" against "/users/7": {"7"}; nothing if they differ.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> parameters;
  while (!pattern.empty() && !path.empty()) {
    pattern.remove_prefix(1);  // the slash of both
    path.remove_prefix(1);
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    const std::string_view segment = path.substr(0, path.find('/'));
    if (wanted.starts_with('{')) {
      auto value = flotilla::http::percent_decode(segment);
      if (!value || value->empty()) {
        return std::nullopt;
      }
      parameters.push_back(std::move(*value));
    } else if (wanted != segment) {
      return std::nullopt;
    }
    pattern.remove_prefix(wanted.size());
    path.remove_prefix(segment.size());
  }
  return pattern.empty() && path.empty() ? std::optional(std::move(parameters)) : std::nullopt;
}

flotilla::http::Fields context_of(const Request& request) {
  flotilla::http::Fields fields;
  for (const std::string_view name : {"traceparent", "tracestate", "X-Request-ID"}) {
    if (const auto value = request.headers.get(name)) {
      fields.add(std::string(name), std::string(*value));
    }
  }
  return fields;
}

// Of a set of what is being worked on; also when the client leaves and the coroutine is destroyed.
struct Leave {
  std::set<std::string>& keys;
  const std::string& key;
  ~Leave() { keys.erase(key); }
};

Answer being_worked_on() {
  Answer answer = refuse(409, "conflict", "a request with this Idempotency-Key is being worked on");
  answer.again = true;
  return answer;
}

// What a barrier's row keeps of an answer: {request, status, body}.
Answer kept_answer(const std::string& kept, const Value& request) {
  const auto row = flotilla::json::parse(kept);
  if (!row || (*row)["request"] != request) {
    return refuse(422, "key-reused", "this Idempotency-Key was used with another body");
  }
  return {static_cast<std::uint16_t>((*row)["status"].as_int().value_or(500)), (*row)["body"]};
}

}  // namespace

Answer refuse(std::uint16_t status, std::string_view code, std::string_view message) {
  return {status, Value::object({{"error", code}, {"message", message}})};
}

Service::Service(flotilla::net::Loop& loop, Role role, std::string instance, Store store,
                 std::optional<flotilla::net::SocketAddress> gateway)
    : loop_(loop),
      role_(std::move(role)),
      instance_(std::move(instance)),
      store_(std::move(store)),
      gateway_(gateway),
      fault_(std::hash<std::string>{}(instance_)) {
  if (store_.empty()) {
    role_.seed(store_);
    commit();
  }
}

Task<Response> Service::handle(Request request) {
  const Answer answer = co_await dispatch(request);
  Response response{.status = answer.status};
  response.headers.add("Content-Type", "application/json");
  response.headers.add("X-Served-By", instance_);
  if (!answer.outcome.empty()) {
    response.headers.add("Saga-Outcome", std::string(answer.outcome));
  }
  if (answer.again) {
    response.headers.add("Retry-After", "1");
  }
  response.body = flotilla::json::write(answer.body);
  co_return response;
}

Task<Answer> Service::dispatch(const Request& request) {
  const std::string_view target = request.target;
  const std::size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  Call call{.query = std::string(question == std::string_view::npos ? "" : target.substr(question + 1)),
            .idempotency_key = std::string(request.headers.get("Idempotency-Key").value_or("")),
            .passed_on = context_of(request)};
  if (!request.body.empty()) {
    auto body = flotilla::json::parse(request.body);
    if (!body) {
      co_return refuse(400, "malformed", body.error().message);
    }
    call.body = std::move(*body);
  }
  if (path == "/health") {
    co_return Answer{200, Value::object({{"status", "ok"}, {"service", role_.name}})};
  }
  if (path == "/_control") {
    if (request.method == "POST") {
      if (auto ordered = fault_.order(call.body); !ordered) {
        co_return refuse(422, "invalid", ordered.error().message);
      }
    }
    co_return Answer{200, fault_.describe()};
  }
  bool known_path = false;
  for (const Route& route : role_.routes) {
    auto parameters = match(route.path, path);
    known_path = known_path || parameters.has_value();
    if (parameters && route.method == request.method) {
      call.parameters = std::move(*parameters);
      if (const auto status = co_await fault_.enter(loop_)) {
        co_return refuse(*status, "ordered", "this service was told to fail (POST /_control)");
      }
      co_return co_await run_once(route, call, request);
    }
  }
  co_return known_path ? refuse(405, "method-not-allowed", "the path is known, the method is not")
                       : refuse(404, "not-found", fmt::format("{} has no {}", role_.name, path));
}

// At most once per Idempotency-Key. The answer is kept in the same commit as the changes it stands for.
Task<Answer> Service::run_once(const Route& route, const Call& call, const Request& request) {
  const auto given = request.headers.get("Idempotency-Key");
  if (!given || request.method == "GET") {
    co_return co_await run(route, call);
  }
  if (given->empty() || given->size() > kLongestKey) {
    co_return refuse(400, "malformed", "Idempotency-Key must have 1 to 255 characters");
  }
  if (const auto step = flotilla::saga::read_barrier_key(*given);
      step && step->op != flotilla::saga::Op::status) {
    co_return co_await run_step(route, call, *step);
  }
  const std::string key = fmt::format("{} {} {}", request.method, request.target, *given);
  if (const Value* kept = store_.find(kAnswers, key)) {
    if ((*kept)["request"] != call.body) {
      co_return refuse(422, "key-reused", "this Idempotency-Key was used with another body");
    }
    co_return Answer{static_cast<std::uint16_t>((*kept)["status"].as_int().value_or(500)), (*kept)["body"]};
  }
  if (!in_progress_.insert(key).second) {
    co_return being_worked_on();
  }
  const Leave leave{in_progress_, key};
  Answer answer = co_await route.handler(*this, call);
  if (answer.status < 500) {  // what is not definite may be tried again
    store_.put(kAnswers, key,
               Value::object({{"request", call.body}, {"status", answer.status}, {"body", answer.body}}));
  }
  commit();
  co_return answer;
}

Task<Answer> Service::run_step(const Route& route, const Call& call, const flotilla::saga::BarrierKey& key) {
  using flotilla::saga::Passage;
  if (!in_progress_.insert(key.step).second) {
    co_return being_worked_on();
  }
  const Leave leave{in_progress_, key.step};
  SagaRows rows(store_);
  const auto passage = enter(rows, key);
  if (!passage) {
    co_return refuse(503, "unavailable", passage.error().message);
  }
  switch (passage->kind) {
    case Passage::Kind::replay: {
      Answer again = kept_answer(passage->answer, call.body);
      again.outcome = passage->refused ? "refused" : "";
      co_return again;
    }
    case Passage::Kind::too_late: {
      Answer late = refuse(409, "undone", "this step was undone before it came");
      late.outcome = "refused";
      co_return late;
    }
    case Passage::Kind::null_undo:
      rows.flush();
      commit();
      co_return Answer{.status = 200, .body = Value::object({}), .outcome = "null-undo"};
    case Passage::Kind::act:
      break;
  }
  Answer answer = co_await route.handler(*this, call);
  const bool refused = answer.status >= 400;
  // What is not definite may be tried again, and so may an undo that was refused.
  if (answer.status < 500 && !(refused && key.op == flotilla::saga::Op::undo)) {
    const Value kept =
        Value::object({{"request", call.body}, {"status", answer.status}, {"body", answer.body}});
    if (flotilla::saga::leave(rows, key, refused, flotilla::json::write(kept))) {
      rows.flush();
    }
    answer.outcome = refused ? "refused" : "";
  }
  commit();
  co_return answer;
}

Task<Answer> Service::run(const Route& route, const Call& call) {
  Answer answer = co_await route.handler(*this, call);
  commit();
  co_return answer;
}

void Service::commit() {
  if (auto committed = store_.commit(); !committed) {
    // Answering now would promise what a restart forgets.
    fmt::print(stderr, "shop: {}: {}\n", instance_, committed.error().message);
    std::exit(1);
  }
}

}  // namespace shop
