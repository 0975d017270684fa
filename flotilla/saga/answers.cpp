#include "flotilla/saga/answers.hpp"

#include <algorithm>

#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

constexpr std::int64_t kLongestRetryAfter = 86'400;  // seconds; nobody waits longer on our word

}  // namespace

http::Response problem_answer(const SagaProblem& problem) {
  http::Problem told{.reason = problem.reason, .status = problem.status, .detail = problem.detail};
  if (problem.retry_after > Duration::zero()) {
    const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(problem.retry_after).count();
    told.retry_after = static_cast<std::uint32_t>(std::min(seconds, kLongestRetryAfter));
  }
  return http::problem_response(told);
}

http::Response problem_answer(Reason reason, std::string_view detail) {
  return problem_answer(SagaProblem{.reason = reason, .detail = std::string(detail)});
}

http::Response method_answer(std::string_view allow) { return http::method_response(allow); }

http::Response json_answer(const json::Value& body, std::uint16_t status) {
  return http::json_response(json::write(body), status);
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
