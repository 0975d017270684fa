#include "flotilla/resilience/core/retry.hpp"

#include <algorithm>
#include <cmath>

namespace flotilla::resilience {
namespace {

// The service surely did nothing with it.
bool never_processed(const FailedAttempt& failed) {
  switch (failed.reason) {
    case RetryReason::connect_failure:
    case RetryReason::refused_stream:
    case RetryReason::status_425:
      return true;
    case RetryReason::reset:
    case RetryReason::timeout:
      return !failed.bytes_sent;
    default:
      return false;
  }
}

bool is_free(const RetryPolicy& policy, const FailedAttempt& failed) {
  if (failed.free_retry_used || policy.attempts < 2) {
    return false;
  }
  switch (failed.reason) {
    case RetryReason::refused_stream:
    case RetryReason::status_425:
      return true;
    case RetryReason::reset:
      return !failed.bytes_sent || (failed.reused_connection && !failed.answer_begun);
    default:
      return false;
  }
}

RetryDecision give_up(GiveUp why) { return {false, false, Duration::zero(), why}; }

Duration uniform_below(Duration bound, Random& random) {
  return bound <= Duration::zero()
             ? Duration::zero()
             : Duration{static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(bound.count())))};
}

}  // namespace

std::optional<RetryReason> parse_retry_reason(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kRetryReasons; ++i) {
    if (to_string(static_cast<RetryReason>(i)) == text) {
      return static_cast<RetryReason>(i);
    }
  }
  return std::nullopt;
}

std::optional<RetryReason> retry_reason_of_status(std::uint16_t status) noexcept {
  switch (status) {
    case 408:
      return RetryReason::status_408;
    case 425:
      return RetryReason::status_425;
    case 429:
      return RetryReason::status_429;
    case 502:
      return RetryReason::status_502;
    case 503:
      return RetryReason::status_503;
    case 504:
      return RetryReason::status_504;
    default:
      return std::nullopt;
  }
}

Result<> check(const RetryPolicy& policy) {
  if (policy.attempts < 1 || policy.attempts > 100) {
    return fail(Errc::invalid, "retry: `attempts` must lie between 1 (no retry) and 100");
  }
  if (policy.first < Duration::zero() || policy.first > policy.cap || policy.cap > std::chrono::hours(24)) {
    return fail(Errc::invalid, "retry: `backoff` is FIRST..CAP with 0 <= FIRST <= CAP <= 1d");
  }
  if (!std::isfinite(policy.factor) || policy.factor < 1 || policy.factor > 100) {
    return fail(Errc::invalid, "retry: `factor` must lie between 1 and 100");
  }
  return {};
}

Duration backoff_ceiling(const RetryPolicy& policy, std::uint32_t retry) noexcept {
  const auto cap = static_cast<double>(policy.cap.count());
  double ns = static_cast<double>(policy.first.count());
  for (std::uint32_t n = 1; n < retry && ns < cap && ns > 0 && policy.factor > 1; ++n) {
    ns *= policy.factor;
  }
  return Duration{std::llround(std::min(ns, cap))};
}

Duration backoff(const RetryPolicy& policy, std::uint32_t retry, Random& random) noexcept {
  return uniform_below(backoff_ceiling(policy, retry), random);
}

RetryDecision decide(const RetryPolicy& policy, const FailedAttempt& failed, Random& random) noexcept {
  if (!policy.reasons.has(failed.reason)) {
    return give_up(GiveUp::reason);
  }
  if (failed.answer_committed) {
    return give_up(GiveUp::committed);
  }
  if (!never_processed(failed) && !failed.idempotent_method && !failed.idempotency_key) {
    return give_up(GiveUp::unsafe);
  }
  if (!failed.replayable_body) {
    return give_up(GiveUp::body);
  }
  const bool free = is_free(policy, failed);
  if (!free && failed.attempts >= policy.attempts) {
    return give_up(GiveUp::attempts);
  }
  if (failed.retry_after && *failed.retry_after < Duration::zero()) {
    return give_up(GiveUp::pushback);
  }
  Duration delay{0};
  if (failed.retry_after) {
    // Spread, so that the clients that were sent away together do not return together.
    delay = std::min(*failed.retry_after, policy.retry_after_cap) +
            uniform_below(backoff_ceiling(policy, failed.attempts) / 2, random);
  } else if (!free) {
    delay = backoff(policy, failed.attempts, random);
  }
  if (failed.remaining <= Duration::zero() || delay >= failed.remaining ||
      failed.typical > failed.remaining - delay) {
    return give_up(GiveUp::deadline);
  }
  return {true, free, delay, GiveUp::reason};
}

}  // namespace flotilla::resilience
