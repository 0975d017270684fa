// What every door to sagas says in HTTP: the same JSON, the same headers, the same problems (DESIGN 4.4).
//
// For: the application API, the operators' API and the gateway's action `saga`. Ownership: values.
// Threads: pure functions. Limits: those of service.hpp.
#pragma once

#include <string_view>

#include "flotilla/http/core/message.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

// problem+json with Flotilla-Error, and Retry-After where there is an estimate.
[[nodiscard]] http::Response problem_answer(const SagaProblem& problem);
[[nodiscard]] http::Response problem_answer(Reason reason, std::string_view detail);

// The method is not the path's; `allow` goes into the header.
[[nodiscard]] http::Response method_answer(std::string_view allow);

[[nodiscard]] http::Response json_answer(const json::Value& body, std::uint16_t status = 200);

// The saga, with 200 if it has ended and 202 if it goes on, and its Location in the application API.
[[nodiscard]] http::Response saga_answer(const SagaView& saga);
// The answer to a start: the same, with `Idempotent-Replayed: true` where its key had started the saga
// before.
[[nodiscard]] http::Response start_answer(const StartResult& started);
// The same to a client of a gateway, who looks at the status first: 409 where it ended otherwise than
// completed, so what was asked for was undone, never begun, or given up.
[[nodiscard]] http::Response start_outcome(const StartResult& started);

}  // namespace flotilla::saga
