// Why a view could not be read or operated, as whoever asked is told.
//
// Ownership, threads: plain values. Limits: none.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "flotilla/base/error.hpp"
#include "flotilla/base/reason.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::cqrs {

struct Refusal {
  Reason reason = Reason::malformed;
  std::string detail;
  Duration retry_after{0};  // 0: no estimate
};
template <class T>
using Asked = std::expected<T, Refusal>;

[[nodiscard]] inline std::unexpected<Refusal> refuse(Reason reason, std::string detail,
                                                     Duration retry_after = Duration::zero()) {
  return std::unexpected(Refusal{.reason = reason, .detail = std::move(detail), .retry_after = retry_after});
}

// Of the journal's errors: whether asking again may help.
[[nodiscard]] inline bool passes(const Error& error) noexcept {
  return error.code == Errc::unavailable || error.code == Errc::limit;
}

}  // namespace flotilla::cqrs
