#include "flotilla/resilience/core/retry_budget.hpp"

#include <algorithm>
#include <cmath>

namespace flotilla::resilience {

Result<std::unique_ptr<RetryBudget>> RetryBudget::create(const RetryBudgetConfig& config,
                                                         std::uint32_t workers) {
  if (!std::isfinite(config.ratio) || config.ratio < 0 || config.ratio > 1) {
    return fail(Errc::invalid, "retry: `budget` must lie between 0% and 100%");
  }
  if (workers < 1 || workers > 1024) {
    return fail(Errc::invalid, "retry budget: 1 to 1024 workers can share one");
  }
  std::unique_ptr<RateLimiter> reserve;
  if (config.reserve_per_second != 0) {
    constexpr std::uint64_t kSecondsSaved = 10;
    auto made = RateLimiter::create(
        {config.reserve_per_second, std::chrono::seconds(1), config.reserve_per_second * kSecondsSaved});
    if (!made) {
      return std::unexpected(made.error());
    }
    reserve = std::move(*made);
  }
  return std::unique_ptr<RetryBudget>(new RetryBudget(config, workers, std::move(reserve)));
}

RetryBudget::RetryBudget(const RetryBudgetConfig& config, std::uint32_t workers,
                         std::unique_ptr<RateLimiter> reserve)
    : per_call_(std::llround(config.ratio * static_cast<double>(kToken))),
      most_(std::int64_t{config.most_saved} * kToken),
      concurrent_floor_(config.concurrent_floor),
      reserve_(std::move(reserve)),
      shards_(workers) {}

void RetryBudget::deposit(std::int64_t micro) noexcept {
  std::int64_t seen = balance_.load(std::memory_order_relaxed);
  while (seen < most_ &&
         !balance_.compare_exchange_weak(seen, std::min(most_, seen + micro), std::memory_order_relaxed)) {
  }
}

bool RetryBudget::withdraw() noexcept {
  std::int64_t seen = balance_.load(std::memory_order_relaxed);
  while (seen >= kToken) {
    if (balance_.compare_exchange_weak(seen, seen - kToken, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

bool RetryBudget::begin_concurrent() noexcept {
  // A call that ends on one worker while others are summed may be missed: the sum is a reading, not a lock.
  std::uint64_t active = 0;
  for (const Shard& shard : shards_) {
    active += shard.active.read();
  }
  const std::uint64_t most = concurrent_floor_ + active * static_cast<std::uint64_t>(per_call_) / kToken;
  std::uint32_t seen = retrying_.load(std::memory_order_relaxed);
  while (seen < most) {
    if (retrying_.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

std::unexpected<BudgetDenial> RetryBudget::deny(BudgetDenial why) noexcept {
  denied_[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  return std::unexpected(why);
}

std::expected<RetryBudget::Ticket, BudgetDenial> RetryBudget::try_retry(std::uint32_t worker,
                                                                        Instant now) noexcept {
  if (!begin_concurrent()) {
    return deny(BudgetDenial::concurrency);
  }
  Ticket ticket(this);
  deposit(std::exchange(shards_[worker].unshared, 0));
  if (!withdraw() && !(reserve_ && reserve_->try_acquire(now).admitted)) {
    return deny(BudgetDenial::tokens);
  }
  return ticket;
}

}  // namespace flotilla::resilience
