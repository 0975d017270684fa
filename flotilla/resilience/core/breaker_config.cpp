#include "flotilla/resilience/core/breaker_config.hpp"

#include <algorithm>
#include <cmath>

namespace flotilla::resilience {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

bool is_share(double value) { return std::isfinite(value) && value >= 0 && value <= 1; }

Result<> check_trip(const BreakerConfig& c) {
  const bool windowed = c.window.kind != WindowShape::Kind::none;
  if (!is_share(c.rate)) {
    return fail(Errc::invalid, "circuit breaker: the failure rate must lie between 0% and 100%");
  }
  if (!is_share(c.slow_rate)) {
    return fail(Errc::invalid, "circuit breaker: the slow rate must lie between 0% and 100%");
  }
  if (!windowed && (c.rate > 0 || c.slow_rate > 0)) {
    return fail(Errc::invalid, "circuit breaker: a failure rate or slow rate needs a window");
  }
  if (c.slow_rate > 0 && c.slow_call <= Duration::zero()) {
    return fail(Errc::invalid, "circuit breaker: a slow rate needs a positive duration that counts as slow");
  }
  if (c.consecutive == 0 && c.rate == 0 && c.slow_rate == 0) {
    return fail(Errc::invalid,
                "circuit breaker: nothing would ever open it; give consecutive failures, a failure rate or a "
                "slow rate");
  }
  return {};
}

Result<> check_window(const WindowShape& w) {
  if (w.kind == WindowShape::Kind::time) {
    if (w.buckets < 1 || w.buckets > 64) {
      return fail(Errc::invalid, "circuit breaker: a time window has 1 to 64 buckets");
    }
    if (w.length < milliseconds(1) * w.buckets || w.length > hours(1)) {
      return fail(Errc::invalid, "circuit breaker: a time window lasts between 1ms per bucket and 1h");
    }
  }
  if (w.kind == WindowShape::Kind::count && (w.size < 1 || w.size > 1024)) {
    return fail(Errc::invalid, "circuit breaker: a count window holds 1 to 1024 calls");
  }
  return {};
}

Result<> check_open(const BreakerConfig& c) {
  if (c.open < milliseconds(1) || c.open > hours(24 * 365)) {
    return fail(Errc::invalid, "circuit breaker: the time it stays open must lie between 1ms and 365d");
  }
  if (!std::isfinite(c.mult) || c.mult < 1 || c.mult > 1000) {
    return fail(Errc::invalid, "circuit breaker: the growth of the open time must lie between 1 and 1000");
  }
  if (c.max < c.open || c.max > hours(24 * 365)) {
    return fail(Errc::invalid,
                "circuit breaker: the longest open time must be at least the first one, and at most 365d");
  }
  if (!std::isfinite(c.jitter) || c.jitter < 0 || c.jitter >= 1) {
    return fail(Errc::invalid, "circuit breaker: the jitter must be at least 0% and under 100%");
  }
  if (c.retry_after_cap < Duration::zero() || c.retry_after_cap > hours(24 * 365)) {
    return fail(Errc::invalid, "circuit breaker: the cap on Retry-After must lie between 0 and 365d");
  }
  return {};
}

Result<> check_half_open(const BreakerConfig& c) {
  if (c.probes_at_once < 1 || c.probes_at_once > 1023) {
    return fail(Errc::invalid, "circuit breaker: half-open lets 1 to 1023 calls through at once");
  }
  if (c.close.n < 1 || c.close.n > 4000 || c.reopen_failures < 1 || c.reopen_failures > 4000) {
    return fail(Errc::invalid, "circuit breaker: closing and reopening need 1 to 4000 results");
  }
  if (c.close.kind == CloseRule::Kind::rate && c.rate == 0) {
    return fail(Errc::invalid, "circuit breaker: closing by rate needs a failure rate");
  }
  if (c.half_open_max < Duration::zero() || c.half_open_max > hours(24 * 365)) {
    return fail(Errc::invalid,
                "circuit breaker: the longest half-open time must lie between 0 (no bound) and 365d");
  }
  // Fewer probes than it can take to decide would leave it half-open with nobody let through.
  const std::uint32_t needed =
      c.close.kind == CloseRule::Kind::rate ? c.close.n : c.close.n + c.reopen_failures - 1;
  if (c.probes_total != 0 && (c.probes_total < needed || c.probes_total > 4094)) {
    return fail(
        Errc::invalid,
        "circuit breaker: the probes in total must suffice to close or reopen it, and be at most 4094");
  }
  return {};
}

// What the peers share: no growth of the open time, no jitter, no bound on half-open.
BreakerConfig plain() {
  BreakerConfig c;
  c.consecutive = 0;
  c.rate = 0;
  c.window.kind = WindowShape::Kind::none;
  c.mult = 1;
  c.jitter = 0;
  c.close = {CloseRule::Kind::successes, 1};
  c.half_open_max = Duration::zero();
  c.honour_retry_after = false;
  return c;
}

}  // namespace

Result<> check(const BreakerConfig& config) {
  for (const auto& step :
       {check_trip(config), check_window(config.window), check_open(config), check_half_open(config)}) {
    if (!step) {
      return step;
    }
  }
  return {};
}

namespace preset {

BreakerConfig pybreaker(std::uint32_t failures, Duration reset) {
  BreakerConfig c = plain();
  c.consecutive = failures;
  c.open = c.max = reset;
  c.excluded_as = CountAs::success;
  return c;
}

BreakerConfig resilience4j() {
  BreakerConfig c = plain();
  c.rate = 0.5;
  c.window = {WindowShape::Kind::count, seconds(10), 10, 100};
  c.min_calls = 100;
  c.evaluate = Evaluate::any;
  c.open = c.max = seconds(60);
  c.edge = Edge::after;
  c.probes_at_once = c.probes_total = 10;
  c.close = {CloseRule::Kind::rate, std::min(c.min_calls, c.probes_total)};
  return c;
}

BreakerConfig polly() {
  BreakerConfig c = plain();
  c.rate = 0.1;
  c.window = {WindowShape::Kind::time, seconds(30), 10, 100};
  c.min_calls = 100;
  c.open = c.max = seconds(5);
  c.probes_total = 1;
  c.excluded_as = c.cancelled_as = CountAs::success;
  return c;
}

BreakerConfig hystrix() {
  BreakerConfig c = plain();
  c.rate = 0.5;
  c.window = {WindowShape::Kind::time, seconds(10), 10, 100};
  c.evaluate = Evaluate::tick;
  c.open = c.max = seconds(5);
  c.edge = Edge::after;
  return c;
}

BreakerConfig gobreaker(std::uint32_t max_requests) {
  BreakerConfig c = plain();
  c.consecutive = 6;
  c.open = c.max = seconds(60);
  c.edge = Edge::after;
  c.close = {CloseRule::Kind::successes, max_requests};
  c.probes_at_once = c.probes_total = max_requests;
  return c;
}

BreakerConfig linkerd() {
  BreakerConfig c = plain();
  c.consecutive = 7;
  c.rate = 0.2;
  c.compare = Compare::gt;
  c.window = {WindowShape::Kind::time, seconds(10), 10, 100};
  c.min_calls = 5;
  c.open = seconds(1);
  c.mult = 2;
  c.max = seconds(60);
  c.jitter = 0.5;
  return c;
}

}  // namespace preset
}  // namespace flotilla::resilience
