#include "flotilla/saga/answers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/http/core/problem.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

constexpr std::int64_t kLongestRetryAfter = 86'400;  // seconds; nobody waits longer on our word

}  // namespace

http::Response problem_answer(const SagaProblem& problem) {
  const std::string reason(to_string(problem.reason));
  http::Problem body{.reason = problem.reason, .status = problem.status, .detail = problem.detail};
  http::Response response{
      .status = problem.status == 0 ? default_status(problem.reason) : problem.status,
      .headers = {{"Content-Type", "application/problem+json"}, {"Flotilla-Error", reason}},
      .body = {}};
  if (problem.retry_after > Duration::zero()) {
    const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(problem.retry_after).count();
    body.retry_after = static_cast<std::uint32_t>(std::min(seconds, kLongestRetryAfter));
    response.headers.add("Retry-After", std::to_string(*body.retry_after));
  }
  response.body = http::problem_body(body);
  return response;
}

http::Response problem_answer(Reason reason, std::string_view detail) {
  return problem_answer(SagaProblem{.reason = reason, .detail = std::string(detail)});
}

http::Response method_answer(std::string_view allow) {
  http::Response response =
      problem_answer(Reason::method_not_allowed, fmt::format("the path takes {}", allow));
  response.headers.add("Allow", std::string(allow));
  return response;
}

http::Response json_answer(const json::Value& body, std::uint16_t status) {
  // What is looked at is never the state of a minute ago.
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = json::write(body)};
}

http::Response saga_answer(const SagaView& saga) {
  http::Response response = json_answer(saga.body, saga.terminal ? 200 : 202);
  response.headers.add("Location", "/v1/sagas/" + saga.id.text());
  return response;
}

http::Response start_answer(const StartResult& started) {
  http::Response response = saga_answer(started.saga);
  if (started.existing) {
    response.headers.add("Idempotent-Replayed", "true");
  }
  return response;
}

http::Response start_outcome(const StartResult& started) {
  http::Response response = start_answer(started);
  if (started.saga.terminal && started.saga.state != "completed") {
    response.status = 409;
  }
  return response;
}

}  // namespace flotilla::saga
