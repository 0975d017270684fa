// A rate limiter: N per period, in bursts of up to `burst`.
//
// For: one per limited service, route or consumer; a keyed limiter is a map of these, an entry of
// which may be dropped once `idle`, because it then equals a new one.
// Algorithm: GCRA (ITU-T I.371) in one atomic word, the theoretical arrival time TAT, in integer
// nanoseconds. T = period / N rounded up (so never more than the rate), D = T * burst:
//   new = max(now, TAT) + n * T;  admitted iff new <= now + D;  then TAT = new.
// It admits exactly what a token bucket of `burst` tokens does, and has no refill step.
// Threads: any; lock-free.
// Limits: N / period up to 10,000,000 a second (T is then 100 ns, and rounding errs by 1 %).
// A TAT more than 100 ms beyond now + D can only come from a clock that stepped back: it is pulled
// back to now + D. The 100 ms keep workers whose cached clocks differ from refunding one another.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::resilience {

struct RateLimit {
  std::uint64_t count = 0;
  Duration period = std::chrono::seconds(1);
  std::uint64_t burst = 0;  // 0: `count`
};

struct RateDecision {
  bool admitted = false;
  Duration retry_after{0};  // refused: when as much would be admitted; Duration::max() if it never can be
  Duration reset{0};        // until the limiter is as new
};

class RateLimiter {
 public:
  [[nodiscard]] static Result<std::unique_ptr<RateLimiter>> create(const RateLimit& limit);

  // Takes n; n = 0 only looks, and is always admitted.
  [[nodiscard]] RateDecision try_acquire(Instant now, std::uint32_t n = 1) noexcept {
    const std::int64_t at = now.time_since_epoch().count();
    if (n > burst_) {
      return {false, Duration::max(), reset(now)};
    }
    const std::int64_t cost = interval_ * n;
    std::int64_t seen = tat_.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t base = usable(seen, at);
      const std::int64_t next = base + cost;
      const bool admitted = next - at <= depth_;
      const std::int64_t stored = admitted ? next : base;
      const bool changes = admitted ? n != 0 : stored < seen;  // a refusal only repairs a stepped clock
      if (!changes || tat_.compare_exchange_weak(seen, stored, std::memory_order_relaxed)) {
        return {admitted, Duration{admitted ? 0 : next - at - depth_}, Duration{stored - at}};
      }
    }
  }

  // Gives n back that were not used after all.
  void refund(Instant now, std::uint32_t n = 1) noexcept {
    const std::int64_t at = now.time_since_epoch().count();
    const std::int64_t given = n > burst_ ? depth_ : interval_ * n;
    std::int64_t seen = tat_.load(std::memory_order_relaxed);
    while (seen > at &&
           !tat_.compare_exchange_weak(seen, std::max(at, seen - given), std::memory_order_relaxed)) {
    }
  }

  // How many would be admitted at once. A division, so kept off the deciding path.
  [[nodiscard]] std::uint64_t remaining(Instant now) const noexcept {
    const std::int64_t used = reset(now).count();
    return used >= depth_ ? 0 : static_cast<std::uint64_t>((depth_ - used) / interval_);
  }
  [[nodiscard]] Duration reset(Instant now) const noexcept {
    const std::int64_t at = now.time_since_epoch().count();
    return Duration{usable(tat_.load(std::memory_order_relaxed), at) - at};
  }
  [[nodiscard]] bool idle(Instant now) const noexcept { return reset(now) == Duration::zero(); }
  [[nodiscard]] std::uint64_t burst() const noexcept { return burst_; }

 private:
  static constexpr std::int64_t kClockSkew = 100'000'000;

  RateLimiter(std::int64_t interval, std::uint64_t burst) noexcept
      : interval_(interval), depth_(interval * static_cast<std::int64_t>(burst)), burst_(burst) {}

  // max(now, TAT), or now + D where TAT proves that the clock went back.
  [[nodiscard]] std::int64_t usable(std::int64_t tat, std::int64_t at) const noexcept {
    if (tat <= at) {
      return at;
    }
    return tat - at > depth_ + kClockSkew ? at + depth_ : tat;
  }

  const std::int64_t interval_;  // T
  const std::int64_t depth_;     // D
  const std::uint64_t burst_;
  alignas(128) std::atomic<std::int64_t> tat_{0};
};

}  // namespace flotilla::resilience
