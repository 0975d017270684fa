// The closed list of reasons that an answer of ours can have (DESIGN 4.4), with the status of each.
//
// For: problem+json bodies, the Flotilla-Error header, metrics labels, rejections of policies.
// One list for the whole program, so that a reason means the same wherever it is read.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace flotilla {

enum class Reason : std::uint8_t {
  no_route,
  not_found,
  method_not_allowed,
  no_instance,
  circuit_open,
  bulkhead_full,
  overloaded,
  rate_limited,
  connect_failure,
  reset,
  bad_answer,
  timeout,
  malformed,
  invalid,
  refused,
  key_reused,
  too_large,
  conflict,
  unauthenticated,
  forbidden,
  slow_request,
  unsupported,
  behind,
  store_unavailable,
  draining,
};
inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::draining) + 1;

// The wire name, as in `reason: circuit-open` and `urn:flotilla:circuit-open`.
[[nodiscard]] constexpr std::string_view to_string(Reason reason) noexcept {
  constexpr std::array<std::string_view, kReasonCount> names{
      "no-route",        "not-found",    "method-not-allowed",
      "no-instance",     "circuit-open", "bulkhead-full",
      "overloaded",      "rate-limited", "connect-failure",
      "reset",           "bad-answer",   "timeout",
      "malformed",       "invalid",      "refused",
      "key-reused",      "too-large",    "conflict",
      "unauthenticated", "forbidden",    "slow-request",
      "unsupported",     "behind",       "store-unavailable",
      "draining"};
  return names[static_cast<std::size_t>(reason)];
}

// The usual status. `too_large` is 413 for bodies (414 and 431 are chosen where the head is read),
// `unsupported` 501 (417, 421, 505 likewise).
[[nodiscard]] constexpr std::uint16_t default_status(Reason reason) noexcept {
  constexpr std::array<std::uint16_t, kReasonCount> statuses{404, 404, 405, 503, 503, 503, 503, 429, 502,
                                                             502, 502, 504, 400, 422, 422, 422, 413, 409,
                                                             401, 403, 408, 501, 503, 503, 503};
  return statuses[static_cast<std::size_t>(reason)];
}

// A sentence for `title`.
[[nodiscard]] std::string_view title(Reason reason) noexcept;

// Whether the service may have acted on a call that failed (DESIGN 4.4, `effect`).
enum class Effect : std::uint8_t { none, unknown, done };
[[nodiscard]] constexpr std::string_view to_string(Effect effect) noexcept {
  constexpr std::array<std::string_view, 3> names{"none", "unknown", "done"};
  return names[static_cast<std::size_t>(effect)];
}

}  // namespace flotilla
