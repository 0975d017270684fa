// A retry budget: keeps retries a bounded share of the load, so that they cannot keep an outage alive.
//
// For: one per service, shared by retries and hedges of all workers. Both guards must agree:
//   tokens      each call deposits `ratio` of a token, a retry costs one; the balance is at most
//               `most_saved`. With it empty, a reserve of `reserve_per_second` (up to ten seconds' worth,
//               full at the start) lets quiet services retry at all.
//   concurrency at most ratio * calls in flight + 3 retries at once.
// So with ratio 0.2, retries are at most 20 % of the calls plus 100 saved plus one a second.
// Ownership: the owner keeps the budget alive longer than its tickets.
// Threads: call_started and call_ended only from the worker they name, without a locked instruction
// but for one in 16 calls (a worker's last 15 deposits are spendable by itself only); try_retry from the
// worker it names; a ticket may be dropped anywhere.
// Limits: 1..1024 workers; what is denied is counted by cause.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "flotilla/base/counter.hpp"
#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/resilience/core/rate_limiter.hpp"

namespace flotilla::resilience {

struct RetryBudgetConfig {
  double ratio = 0.2;                    // 0..1
  std::uint32_t reserve_per_second = 1;  // 0 = none
  std::uint32_t most_saved = 100;        // tokens
  std::uint32_t concurrent_floor = 3;
};

enum class BudgetDenial : std::uint8_t { tokens, concurrency };

class RetryBudget {
 public:
  // One retry that is paid for; destruction ends it (its token is spent).
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      if (this != &other) {
        end();
        budget_ = std::exchange(other.budget_, nullptr);
      }
      return *this;
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket() { end(); }

   private:
    friend class RetryBudget;
    explicit Ticket(RetryBudget* budget) noexcept : budget_(budget) {}
    void end() noexcept {
      if (budget_ != nullptr) {
        std::exchange(budget_, nullptr)->retrying_.fetch_sub(1, std::memory_order_relaxed);
      }
    }
    RetryBudget* budget_;
  };

  [[nodiscard]] static Result<std::unique_ptr<RetryBudget>> create(const RetryBudgetConfig& config,
                                                                   std::uint32_t workers);
  RetryBudget(const RetryBudget&) = delete;
  RetryBudget& operator=(const RetryBudget&) = delete;

  // Around every logical call (not around attempts).
  void call_started(std::uint32_t worker) noexcept {
    Shard& shard = shards_[worker];
    shard.active.add();
    shard.unshared += per_call_;
    if (++shard.calls % kCallsPerDeposit == 0) {
      deposit(std::exchange(shard.unshared, 0));
    }
  }
  void call_ended(std::uint32_t worker) noexcept { shards_[worker].active.sub(); }

  [[nodiscard]] std::expected<Ticket, BudgetDenial> try_retry(std::uint32_t worker, Instant now) noexcept;

  // For the gauges; millionths of a token.
  [[nodiscard]] std::int64_t balance_micro() const noexcept {
    return balance_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t retrying() const noexcept { return retrying_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t denied(BudgetDenial why) const noexcept {
    return denied_[static_cast<std::size_t>(why)].load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t kCallsPerDeposit = 16;
  static constexpr std::int64_t kToken = 1'000'000;
  struct alignas(128) Shard {
    Counter active;             // written by the worker, read by whoever retries
    std::int64_t unshared = 0;  // deposits the worker has not handed in
    std::uint32_t calls = 0;
  };

  RetryBudget(const RetryBudgetConfig& config, std::uint32_t workers, std::unique_ptr<RateLimiter> reserve);
  void deposit(std::int64_t micro) noexcept;
  [[nodiscard]] bool withdraw() noexcept;
  [[nodiscard]] bool begin_concurrent() noexcept;
  std::unexpected<BudgetDenial> deny(BudgetDenial why) noexcept;

  const std::int64_t per_call_;
  const std::int64_t most_;
  const std::uint32_t concurrent_floor_;
  const std::unique_ptr<RateLimiter> reserve_;  // none: no reserve
  std::vector<Shard> shards_;
  alignas(128) std::atomic<std::int64_t> balance_{0};
  std::atomic<std::uint32_t> retrying_{0};
  std::array<std::atomic<std::uint64_t>, 2> denied_{};
};

}  // namespace flotilla::resilience
