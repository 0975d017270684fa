#include "flotilla/resilience/core/rate_limiter.hpp"

namespace flotilla::resilience {

Result<std::unique_ptr<RateLimiter>> RateLimiter::create(const RateLimit& limit) {
  constexpr std::uint64_t kShortestInterval = 100;
  constexpr std::int64_t kLongest = std::int64_t{1} << 60;  // 36 years: sums of two stay within 63 bits
  if (limit.count == 0) {
    return fail(Errc::invalid,
                "rate limit: the count must be at least 1; to refuse everything, answer in the route");
  }
  if (limit.period <= Duration::zero() || limit.period > std::chrono::hours(24 * 366)) {
    return fail(Errc::invalid, "rate limit: the period must lie between 1ns and 366d");
  }
  const auto period = static_cast<std::uint64_t>(limit.period.count());
  const auto interval = static_cast<std::int64_t>(period / limit.count + (period % limit.count != 0 ? 1 : 0));
  if (limit.count > period / kShortestInterval) {
    return fail(Errc::invalid, "rate limit: more than 10000000/s cannot be held; leave the limit out");
  }
  const std::uint64_t burst = limit.burst == 0 ? limit.count : limit.burst;
  if (burst > static_cast<std::uint64_t>(kLongest / interval)) {
    return fail(Errc::invalid, "rate limit: the burst is too large for the rate; choose a smaller one");
  }
  return std::unique_ptr<RateLimiter>(new RateLimiter(interval, burst));
}

}  // namespace flotilla::resilience
