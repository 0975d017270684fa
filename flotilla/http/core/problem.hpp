// Errors as answers: application/problem+json (RFC 9457) in the shape DESIGN 4.4 promises.
//
// Ownership: returns or appends strings. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/base/reason.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/http/core/forward.hpp"

namespace flotilla::http {

struct Problem {
  Reason reason = Reason::malformed;
  std::uint16_t status = 0;      // 0: the reason's usual one
  std::string_view detail;       // what happened and the way out; bytes that are not UTF-8 are replaced
  std::string_view service;      // whose call failed; empty: left out
  std::optional<Effect> effect;  // whether it may have acted
  std::optional<std::uint32_t> retry_after;  // whole seconds; also sent as Retry-After
};

// `estimate` as a Retry-After: rounded up to whole seconds, because who comes back early is refused again,
// but for the millisecond by which our own clocks round up; 1..86,400. Nothing for zero or less (no
// estimate).
[[nodiscard]] std::optional<std::uint32_t> retry_after_seconds(Duration estimate) noexcept;

// {"type":"urn:flotilla:REASON","title":...,"status":...,...}
[[nodiscard]] std::string problem_body(const Problem& problem);

struct ProblemOptions {
  bool keep_alive = true;
  bool head_request = false;  // no body, but its length
  Version client_version = Version::http_1_1;
  std::string_view date;  // as ResponseForwardOptions
  std::string_view server;
  std::span<const HeaderLine> extra;  // such as Allow
};

// The whole response: status line, Content-Type, Content-Length, Flotilla-Error, Retry-After, body.
void append_problem_response(std::string& out, const Problem& problem, const ProblemOptions& options);

}  // namespace flotilla::http
