// Why something about a topic was refused or could not be done, as whoever asked is told.
//
// Ownership, threads: plain values. Limits: none.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <variant>

#include "flotilla/base/reason.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::events {

struct Refusal {
  Reason reason = Reason::malformed;
  std::string detail;
  Duration retry_after{0};  // 0: no estimate
};
template <class T>
using Asked = std::expected<T, Refusal>;
using Done = std::monostate;  // of what has nothing to say

[[nodiscard]] inline std::unexpected<Refusal> refuse(Reason reason, std::string detail) {
  return std::unexpected(Refusal{.reason = reason, .detail = std::move(detail)});
}

}  // namespace flotilla::events
