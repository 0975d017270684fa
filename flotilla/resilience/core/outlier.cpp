#include "flotilla/resilience/core/outlier.hpp"

#include <cmath>

namespace flotilla::resilience {

Result<std::unique_ptr<OutlierDetector>> OutlierDetector::create(const OutlierConfig& config) {
  if (config.consecutive_5xx < 1) {
    return fail(Errc::invalid, "outlier: `consecutive_5xx` must be at least 1");
  }
  if (config.eject < std::chrono::milliseconds(1) || config.longest < config.eject ||
      config.longest > std::chrono::hours(24 * 365)) {
    return fail(Errc::invalid,
                "outlier: `eject` must be at least 1ms and at most the longest ejection (365d at most)");
  }
  if (!std::isfinite(config.share) || config.share < 0 || config.share > 1) {
    return fail(Errc::invalid, "outlier: the share that may be ejected must lie between 0% and 100%");
  }
  return std::unique_ptr<OutlierDetector>(new OutlierDetector(config));
}

bool OutlierDetector::failure(OutlierInstance& instance, std::span<OutlierInstance* const> pool,
                              Instant now) noexcept {
  if (instance.ejected(now)) {
    return false;
  }
  if (instance.run_.fetch_add(1, std::memory_order_relaxed) + 1 < config_.consecutive_5xx) {
    return false;
  }
  if (deciding_.test_and_set(std::memory_order_acquire)) {
    return false;  // another worker is deciding; the run stays, so the next failure asks again
  }
  const bool done = eject(instance, pool, now);
  deciding_.clear(std::memory_order_release);
  return done;
}

bool OutlierDetector::eject(OutlierInstance& instance, std::span<OutlierInstance* const> pool,
                            Instant now) noexcept {
  if (instance.ejected(now)) {
    return false;  // by the worker that decided just before
  }
  std::uint32_t out = 0;
  for (const OutlierInstance* other : pool) {
    out += other->ejected(now) ? 1 : 0;
  }
  if (out >= max_ejectable(static_cast<std::uint32_t>(pool.size()), config_.share)) {
    spared_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  // Each ejection time spent healthy since the last one takes one off the count.
  const std::int64_t at = now.time_since_epoch().count();
  const std::int64_t until = instance.until_.load(std::memory_order_relaxed);
  const std::int64_t healthy =
      until == 0 ? 0 : std::max<std::int64_t>((at - until) / config_.eject.count(), 0);
  const std::int64_t before = instance.ejections_.load(std::memory_order_relaxed);
  const auto longest = static_cast<std::uint32_t>(config_.longest / config_.eject + 1);
  const auto times =
      std::min(static_cast<std::uint32_t>(std::max<std::int64_t>(before - healthy, 0)) + 1, longest);
  const Duration lasts = std::min(config_.eject * times, config_.longest);
  instance.ejections_.store(times, std::memory_order_relaxed);
  instance.run_.store(config_.consecutive_5xx - 1, std::memory_order_relaxed);  // probation
  instance.until_.store(saturating_add(now, lasts).time_since_epoch().count(), std::memory_order_relaxed);
  ejections_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace flotilla::resilience
