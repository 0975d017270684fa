// Whether a failed attempt may be sent again, and after which delay.
//
// For: the call layer asks `decide` after every failed attempt, then a RetryBudget (retry_budget.hpp)
// whether the fleet can afford it. Sagas and queues use `backoff` with their own rules.
// Safety (RFC 9110 9.2.2, RFC 9112 9.3.1): what surely never reached the application may always be
// sent again; what may have been acted on only if the method is idempotent or the request carries an
// idempotency key; nothing once part of an answer went downstream, or if the body cannot be replayed.
// Threads: plain values and pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::resilience {

// What `reasons` of a retry policy can name.
enum class RetryReason : std::uint8_t {
  connect_failure,
  refused_stream,  // REFUSED_STREAM, or GOAWAY below the stream: the peer says it did nothing
  reset,
  timeout,  // of one try
  status_408,
  status_425,
  status_429,
  status_502,
  status_503,
  status_504,
};
inline constexpr std::size_t kRetryReasons = 10;

[[nodiscard]] constexpr std::string_view to_string(RetryReason reason) noexcept {
  constexpr std::array<std::string_view, kRetryReasons> names{
      "connect-failure", "refused-stream", "reset", "timeout", "408", "425", "429", "502", "503", "504"};
  return names[static_cast<std::size_t>(reason)];
}
[[nodiscard]] std::optional<RetryReason> parse_retry_reason(std::string_view text) noexcept;
// The reason that stands for a status, if it is one that can be retried at all.
[[nodiscard]] std::optional<RetryReason> retry_reason_of_status(std::uint16_t status) noexcept;

class RetryReasons {
 public:
  constexpr RetryReasons(std::initializer_list<RetryReason> reasons) noexcept {
    for (const RetryReason reason : reasons) {
      add(reason);
    }
  }
  constexpr void add(RetryReason reason) noexcept {
    bits_ = static_cast<std::uint16_t>(bits_ | (1U << static_cast<unsigned>(reason)));
  }
  [[nodiscard]] constexpr bool has(RetryReason reason) const noexcept {
    return (bits_ >> static_cast<unsigned>(reason) & 1U) != 0;
  }

 private:
  std::uint16_t bits_ = 0;
};

struct RetryPolicy {
  std::uint32_t attempts = 2;  // the first included
  Duration first = std::chrono::milliseconds(25);
  Duration cap = std::chrono::milliseconds(250);
  double factor = 2;
  RetryReasons reasons{RetryReason::connect_failure, RetryReason::refused_stream, RetryReason::reset,
                       RetryReason::status_503};
  Duration retry_after_cap = std::chrono::seconds(60);
};

// Whether the numbers make sense: attempts 1..100, 0 <= first <= cap <= 1 d, factor 1..100.
[[nodiscard]] Result<> check(const RetryPolicy& policy);

// The ceiling before the retry-th resending (from 1): min(cap, first * factor^(retry - 1)).
[[nodiscard]] Duration backoff_ceiling(const RetryPolicy& policy, std::uint32_t retry) noexcept;
// Full jitter: uniform in [0, ceiling).
[[nodiscard]] Duration backoff(const RetryPolicy& policy, std::uint32_t retry, Random& random) noexcept;

// What is known about the attempt that failed.
struct FailedAttempt {
  RetryReason reason = RetryReason::connect_failure;
  bool bytes_sent = true;          // reset, timeout: some of the request left us
  bool answer_begun = false;       // reset: bytes of an answer had arrived
  bool reused_connection = false;  // reset: on a kept-alive connection (the peer may just have closed it)
  bool idempotent_method = false;  // GET, HEAD, OPTIONS, TRACE, PUT, DELETE
  bool idempotency_key = false;
  bool replayable_body = true;           // none, or wholly buffered, or not read from yet
  bool answer_committed = false;         // part of an answer went downstream
  std::uint32_t attempts = 1;            // counted so far, this one included
  bool free_retry_used = false;          // RetryDecision::free was granted before in this call
  Duration remaining = Duration::max();  // until the total deadline
  Duration typical{0};                   // what an attempt usually takes (p50), zero if unknown
  // What the peer asked for: absent, or a delay; a negative one (or unreadable) means "do not retry".
  std::optional<Duration> retry_after;
};

enum class GiveUp : std::uint8_t { reason, unsafe, body, committed, attempts, deadline, pushback, budget };
[[nodiscard]] constexpr std::string_view to_string(GiveUp why) noexcept {
  constexpr std::array<std::string_view, 8> names{"reason",   "unsafe",   "body",     "committed",
                                                  "attempts", "deadline", "pushback", "budget"};
  return names[static_cast<std::size_t>(why)];
}

struct RetryDecision {
  bool retry = false;
  bool free = false;  // does not count as an attempt, at once: the connection failed, not the service
  Duration delay{0};
  GiveUp why = GiveUp::reason;  // if not `retry`
};

// Failures that are not a RetryReason (other statuses, an open breaker, refusals of our own, a passed
// deadline, a caller who left) are never retried: do not ask.
// One free retry a call: a stream refused or a request not sent at all (any method), 425, and a reused
// connection that was closed before any answer (where resending is safe). It is part of no policy's
// count, but needs its reason in the policy, and attempts > 1. A failed connect does count: a breaker
// must learn from it. So a call sends at most attempts + 1 times. The budget is asked for free retries too.
[[nodiscard]] RetryDecision decide(const RetryPolicy& policy, const FailedAttempt& failed,
                                   Random& random) noexcept;

}  // namespace flotilla::resilience
