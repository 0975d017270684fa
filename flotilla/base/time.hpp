// Instants and durations.
//
// For: every core that depends on time. `MonoClock` deliberately has no now(): a core cannot read
// the clock, time is handed in. Only shells (flotilla/net) turn the system's clock into an Instant.
// Ownership, threads: plain values.
// Limits: nanoseconds in 64 bits, 292 years either way.
#pragma once

#include <chrono>
#include <cstdint>

namespace flotilla {

using Duration = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;

struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;  // NOLINT(readability-identifier-naming): the standard's name
};

// A point on the monotonic clock of this process. Comparable only within one process.
using Instant = MonoClock::time_point;

// Later than everything: "no deadline".
inline constexpr Instant kNever = Instant::max();

// Seconds and parts since the Unix epoch, for records and headers people read. Never for deadlines.
struct WallTime {
  std::int64_t ns_since_epoch = 0;
  friend constexpr auto operator<=>(const WallTime&, const WallTime&) = default;
};

// `at + by`, saturating at kNever, so "now + a very long timeout" cannot wrap into the past.
[[nodiscard]] constexpr Instant saturating_add(Instant at, Duration by) {
  if (by.count() > 0 && at.time_since_epoch() > Duration::max() - by) {
    return kNever;
  }
  return at + by;
}

[[nodiscard]] constexpr std::int64_t to_millis(Duration d) {
  return std::chrono::duration_cast<Millis>(d).count();
}

}  // namespace flotilla
