// What the policies cost a call (DESIGN 8): each alone, and the whole stack as the call layer enters
// and leaves it. Time is given; the bodies allocate nothing.
#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#include <benchmark/benchmark.h>

#include "flotilla/resilience/bulkhead.hpp"
#include "flotilla/resilience/core/balancer.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"
#include "flotilla/resilience/core/outlier.hpp"
#include "flotilla/resilience/core/rate_limiter.hpp"
#include "flotilla/resilience/core/retry.hpp"
#include "flotilla/resilience/core/retry_budget.hpp"

namespace {
// Every allocation of the program, so that a benchmark can say that it makes none.
std::atomic<std::uint64_t> allocations{0};
}  // namespace

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace flotilla::resilience {
namespace {

constexpr Instant kStart{std::chrono::hours(1)};

template <class T>
std::unique_ptr<T> made(Result<std::unique_ptr<T>> result) {
  if (!result) {
    std::abort();
  }
  return std::move(*result);
}

// Runs `step` for the benchmark and fails it if a step allocates.
template <class Step>
void run(benchmark::State& state, Step step) {
  const std::uint64_t before = allocations.load();
  std::uint64_t n = 0;
  for (auto _ : state) {
    step(n++);
  }
  if (state.threads() == 1 && allocations.load() - before > n / 1000 + 16) {
    state.SkipWithError("allocates");
  }
}

void acquire_and_succeed(benchmark::State& state, const BreakerConfig& config) {
  auto breaker = made(CircuitBreaker::create(config, kStart, 1));
  run(state, [&](std::uint64_t n) {
    const Instant now = kStart + Duration(static_cast<std::int64_t>(n) * 10);
    auto permit = breaker->acquire(now);
    benchmark::DoNotOptimize(permit);
    benchmark::DoNotOptimize(breaker->complete(std::move(*permit), Outcome::success, now));
  });
}

void breaker_success(benchmark::State& state) { acquire_and_succeed(state, preset::pybreaker()); }
void breaker_success_time_window(benchmark::State& state) { acquire_and_succeed(state, BreakerConfig{}); }
void breaker_success_count_window(benchmark::State& state) {
  BreakerConfig config;
  config.window.kind = WindowShape::Kind::count;
  acquire_and_succeed(state, config);
}

void breaker_failure_time_window(benchmark::State& state) {
  BreakerConfig config;
  config.consecutive = 0;
  config.rate = 1;
  auto breaker = made(CircuitBreaker::create(config, kStart, 1));
  run(state, [&](std::uint64_t n) {
    const Instant now = kStart + Duration(static_cast<std::int64_t>(n) * 10);
    auto permit = breaker->acquire(now);
    breaker->complete(std::move(*permit), n % 2 == 0 ? Outcome::success : Outcome::failure, now);
  });
}

void breaker_refusal(benchmark::State& state) {
  auto breaker = made(CircuitBreaker::create(preset::pybreaker(), kStart, 1));
  breaker->open(kStart);
  run(state, [&](std::uint64_t n) {
    auto permit = breaker->acquire(kStart + Duration(static_cast<std::int64_t>(n % 1000)));
    benchmark::DoNotOptimize(permit);
  });
}

void breaker_half_open(benchmark::State& state) {
  BreakerConfig config = preset::pybreaker();
  config.close.n = 4000;
  auto breaker = made(CircuitBreaker::create(config, kStart, 1));
  breaker->probe(kStart);
  run(state, [&](std::uint64_t) {
    auto permit = breaker->acquire(kStart);
    breaker->complete(std::move(*permit), Outcome::cancelled, kStart);
  });
}

// Shared by the benchmark's threads.
void breaker_success_shared(benchmark::State& state) {
  static const auto breaker = made(CircuitBreaker::create(preset::pybreaker(), kStart, 1));
  run(state, [&](std::uint64_t) {
    auto permit = breaker->acquire(kStart);
    benchmark::DoNotOptimize(breaker->complete(std::move(*permit), Outcome::success, kStart));
  });
}

void rate_limiter_admits(benchmark::State& state) {
  auto limiter = made(RateLimiter::create({10'000'000, std::chrono::seconds(1), 0}));
  run(state, [&](std::uint64_t n) {
    benchmark::DoNotOptimize(limiter->try_acquire(kStart + Duration(static_cast<std::int64_t>(n) * 100)));
  });
}

void rate_limiter_refuses(benchmark::State& state) {
  auto limiter = made(RateLimiter::create({1, std::chrono::hours(1), 0}));
  (void)limiter->try_acquire(kStart);
  run(state, [&](std::uint64_t) { benchmark::DoNotOptimize(limiter->try_acquire(kStart)); });
}

void bulkhead_enter_and_leave(benchmark::State& state) {
  auto bulkhead = made(Bulkhead::create({10, 20, std::chrono::milliseconds(100)}));
  run(state, [&](std::uint64_t) {
    BulkheadSlot slot = bulkhead->try_enter();
    benchmark::DoNotOptimize(slot);
  });
}

void balancer_picks(benchmark::State& state) {
  std::vector<InstanceLoad> loads(static_cast<std::size_t>(state.range(1)));
  Balancer balancer(static_cast<Balance>(state.range(0)));
  Random random(1);
  run(state,
      [&](std::uint64_t) { benchmark::DoNotOptimize(balancer.pick(InstanceLoadSpan{loads}, random)); });
}

void retry_budget_per_call(benchmark::State& state) {
  auto budget = made(RetryBudget::create({}, 2));
  run(state, [&](std::uint64_t) {
    budget->call_started(0);
    budget->call_ended(0);
  });
}

void retry_decision(benchmark::State& state) {
  const RetryPolicy policy;
  FailedAttempt failed;
  failed.idempotent_method = true;
  failed.reason = RetryReason::reset;
  Random random(1);
  run(state, [&](std::uint64_t) { benchmark::DoNotOptimize(decide(policy, failed, random)); });
}

// An instance as a catalog snapshot might hold it: what workers write stands on lines of its own.
struct alignas(128) Instance {
  std::atomic<std::uint32_t> in_flight{0};
  OutlierInstance outlier;
};
struct InstanceView {
  std::span<Instance> instances;
  Instant now;
  [[nodiscard]] std::size_t size() const noexcept { return instances.size(); }
  [[nodiscard]] InstanceLoad load(std::uint32_t i) const noexcept {
    return {instances[i].in_flight.load(std::memory_order_relaxed), 1, !instances[i].outlier.ejected(now)};
  }
};

// Deadline, rate limit, retry budget, breaker, balancer with outliers, bulkhead; the attempt; and back.
struct Stack {
  explicit Stack(const BreakerConfig& config) : breaker(made(CircuitBreaker::create(config, kStart, 1))) {}
  std::unique_ptr<RateLimiter> limiter = made(RateLimiter::create({10'000'000, std::chrono::seconds(1), 0}));
  std::unique_ptr<RetryBudget> budget = made(RetryBudget::create({}, 2));
  std::unique_ptr<CircuitBreaker> breaker;
  std::unique_ptr<OutlierDetector> outliers = made(OutlierDetector::create({}));
  std::unique_ptr<Bulkhead> bulkhead = made(Bulkhead::create({100, 0, Duration::zero()}));
  std::array<Instance, 5> instances;
  Balancer balancer{Balance::least_request};
  Random random{1};

  bool call(Instant now, Instant deadline) noexcept {
    if (now >= deadline || !limiter->try_acquire(now).admitted) {
      return false;
    }
    budget->call_started(0);
    auto permit = breaker->acquire(now);
    if (!permit) {
      return false;
    }
    const auto picked = balancer.pick(InstanceView{instances, now}, random);
    BulkheadSlot slot = bulkhead->try_enter();
    if (!picked || !slot) {
      return false;
    }
    Instance& instance = instances[*picked];
    instance.in_flight.fetch_add(1, std::memory_order_relaxed);
    benchmark::ClobberMemory();  // the attempt
    instance.in_flight.fetch_sub(1, std::memory_order_relaxed);
    outliers->success(instance.outlier);
    slot.release();
    breaker->complete(std::move(*permit), Outcome::success, now);
    budget->call_ended(0);
    return true;
  }
};

void whole_stack(benchmark::State& state) {
  Stack stack(state.range(0) == 0 ? preset::pybreaker() : BreakerConfig{});
  run(state, [&](std::uint64_t n) {
    const Instant now = kStart + Duration(static_cast<std::int64_t>(n) * 100);
    if (!stack.call(now, now + std::chrono::seconds(5))) {
      state.SkipWithError("refused");
    }
  });
}

BENCHMARK(breaker_success);
BENCHMARK(breaker_success_time_window);
BENCHMARK(breaker_success_count_window);
BENCHMARK(breaker_failure_time_window);
BENCHMARK(breaker_refusal);
BENCHMARK(breaker_half_open);
BENCHMARK(breaker_success_shared)->Threads(1)->Threads(2);
BENCHMARK(rate_limiter_admits);
BENCHMARK(rate_limiter_refuses);
BENCHMARK(bulkhead_enter_and_leave);
BENCHMARK(balancer_picks)->ArgNames({"kind", "instances"})->ArgsProduct({{0, 1, 2, 3}, {5, 100}});
BENCHMARK(retry_budget_per_call);
BENCHMARK(retry_decision);
BENCHMARK(whole_stack)->ArgName("window")->Arg(0)->Arg(1);

}  // namespace
}  // namespace flotilla::resilience

BENCHMARK_MAIN();
