// Outlier ejection: an instance that keeps failing gets no traffic for a while.
//
// For: one OutlierInstance per instance (shared by all workers, living beside it in the catalog's
// snapshot), one OutlierDetector per service. Attempts are reported by `record`; balancers ask
// `ejected`. An instance comes back by time alone, on probation: its first failure ejects it again.
// How many may be out at once, `max_ejectable(n)`: so small pools are protected too, and the last
// instance is never taken.
// Threads: any; lock-free. Two workers never decide on ejections of one service at once: the second
// skips, and its instance is judged at its next failure. So the bound holds exactly.
// Limits: see OutlierConfig.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::resilience {

struct OutlierConfig {
  std::uint32_t consecutive_5xx = 5;          // transport errors and timeouts count too; at least 1
  Duration eject = std::chrono::seconds(30);  // times the number of ejections in a row
  Duration longest = std::chrono::seconds(300);
  double share = 0.1;  // pools of ten and more: share that may be out
};

// How many of n instances may be ejected at once. Up to nine: floor((n - 1) / 2), but at least 1 from
// three on. Larger pools: `share` of them, but no fewer than the four that nine may lose (a plain 10 %
// would let nine lose four and ten lose one). Never all.
[[nodiscard]] constexpr std::uint32_t max_ejectable(std::uint32_t n, double share = 0.1) noexcept {
  if (n < 3) {
    return 0;
  }
  const std::uint32_t small = std::max((std::min(n, 9U) - 1) / 2, 1U);
  const auto large = static_cast<std::uint32_t>(static_cast<double>(n) * share + 1e-9);
  return std::min(std::max(small, large), n - 1);
}

class OutlierInstance {
 public:
  [[nodiscard]] bool ejected(Instant now) const noexcept {
    return now.time_since_epoch().count() < until_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t ejections() const noexcept {
    return ejections_.load(std::memory_order_relaxed);
  }

 private:
  friend class OutlierDetector;
  std::atomic<std::int64_t> until_{0};  // ns on the monotonic clock
  std::atomic<std::uint32_t> run_{0};   // failures in a row
  std::atomic<std::uint32_t> ejections_{0};
};

class OutlierDetector {
 public:
  [[nodiscard]] static Result<std::unique_ptr<OutlierDetector>> create(const OutlierConfig& config);
  OutlierDetector(const OutlierDetector&) = delete;
  OutlierDetector& operator=(const OutlierDetector&) = delete;

  void success(OutlierInstance& instance) const noexcept {
    if (instance.run_.load(std::memory_order_relaxed) != 0) {
      instance.run_.store(0, std::memory_order_relaxed);
    }
  }

  // A 5xx, a transport error or a timeout of `instance`, one of `pool`. True if this call ejected it.
  // Failures of an instance that is out already (calls begun before) change nothing.
  bool failure(OutlierInstance& instance, std::span<OutlierInstance* const> pool, Instant now) noexcept;

  [[nodiscard]] std::uint64_t ejections() const noexcept {
    return ejections_.load(std::memory_order_relaxed);
  }
  // Ejections that max_ejectable forbade.
  [[nodiscard]] std::uint64_t spared() const noexcept { return spared_.load(std::memory_order_relaxed); }

 private:
  explicit OutlierDetector(const OutlierConfig& config) noexcept : config_(config) {}
  bool eject(OutlierInstance& instance, std::span<OutlierInstance* const> pool, Instant now) noexcept;

  const OutlierConfig config_;
  std::atomic_flag deciding_{};
  std::atomic<std::uint64_t> ejections_{0};
  std::atomic<std::uint64_t> spared_{0};
};

}  // namespace flotilla::resilience
