// Many threads on one breaker: what must hold whatever the interleaving.
#include <barrier>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"

namespace flotilla::resilience {
namespace {

using std::chrono::milliseconds;

constexpr Instant kStart{std::chrono::hours(1)};
constexpr int kThreads = 4;

template <class Work>
void in_threads(Work work) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([work, i] { work(i); });
  }
}

TEST(BreakerThreads, ProbesNeverExceedTheirNumberAndNoneLeaks) {
  BreakerConfig config = preset::pybreaker(1, milliseconds(1));
  config.probes_at_once = 3;
  config.close.n = 8;
  auto breaker = *CircuitBreaker::create(config, kStart, 1);
  std::atomic<std::int64_t> clock{0};
  // Probes of one generation that are out; generations share slots modulo 1024, which is far more
  // than can be alive at once.
  std::vector<std::atomic<int>> out(1024);
  std::atomic<std::uint64_t> probes{0};
  std::atomic<bool> exceeded{false};
  in_threads([&](int id) {
    Random random(static_cast<std::uint64_t>(id) + 1);
    for (int i = 0; i < 60'000; ++i) {
      const Instant now = kStart + std::chrono::microseconds(clock.fetch_add(50));
      const BreakerSnapshot before = breaker->snapshot(now);
      auto permit = breaker->acquire(now);
      const BreakerSnapshot after = breaker->snapshot(now);
      const bool probe = permit && before.state == BreakerState::half_open &&
                         after.state == BreakerState::half_open && before.transitions == after.transitions;
      std::atomic<int>& mine = out[before.transitions % out.size()];
      if (probe) {
        probes.fetch_add(1);
        if (mine.fetch_add(1) + 1 > 3 || after.probes_in_flight > 3) {
          exceeded = true;
        }
      }
      if (permit) {
        if (probe) {
          mine.fetch_sub(1);  // just before it is given back, so never later than the breaker counts it
        }
        const std::uint64_t fate = random.below(8);
        if (fate == 0) {
          continue;  // abandoned
        }
        const Outcome outcome = fate == 1   ? Outcome::failure
                                : fate == 2 ? Outcome::cancelled
                                : fate == 3 ? Outcome::excluded
                                            : Outcome::success;
        breaker->complete(std::move(*permit), outcome, now);
      }
    }
  });
  EXPECT_FALSE(exceeded);
  EXPECT_GT(probes, 100U);
  const Instant end = kStart + std::chrono::hours(1);
  breaker->probe(end);
  EXPECT_EQ(breaker->snapshot(end).probes_in_flight, 0U);
  for (int i = 0; i < 8; ++i) {
    auto permit = breaker->acquire(end);
    ASSERT_TRUE(permit.has_value());
    breaker->complete(std::move(*permit), Outcome::success, end);
  }
  EXPECT_EQ(breaker->snapshot(end).state, BreakerState::closed);
}

TEST(BreakerThreads, WithoutATransitionNoProbeIsLost) {
  BreakerConfig config = preset::pybreaker(1, milliseconds(1));
  config.probes_at_once = 2;
  config.close.n = 4000;
  config.reopen_failures = 4000;
  config.starve = 0;
  config.excluded_as = CountAs::ignore;
  auto breaker = *CircuitBreaker::create(config, kStart, 1);
  breaker->probe(kStart);
  std::atomic<int> out{0};
  std::atomic<bool> exceeded{false};
  in_threads([&](int id) {
    Random random(static_cast<std::uint64_t>(id) + 1);
    for (int i = 0; i < 50'000; ++i) {
      auto permit = breaker->acquire(kStart);
      if (!permit) {
        continue;
      }
      exceeded = exceeded || out.fetch_add(1) + 1 > 2;
      out.fetch_sub(1);
      if (random.below(2) == 0) {
        breaker->complete(std::move(*permit), random.below(2) == 0 ? Outcome::excluded : Outcome::cancelled,
                          kStart);
      }
    }
  });
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(breaker->snapshot(kStart).probes_in_flight, 0U);
  EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::half_open);
}

TEST(BreakerThreads, AdmissionsWithoutRefundsNeverExceedTheTotal) {
  BreakerConfig config = preset::pybreaker(1, milliseconds(1));
  config.probes_at_once = 1000;
  config.probes_total = 500;
  auto breaker = *CircuitBreaker::create(config, kStart, 1);
  breaker->probe(kStart);
  std::array<std::vector<BreakerPermit>, kThreads> held;
  in_threads([&](int id) {
    Random random(static_cast<std::uint64_t>(id) + 1);
    for (int refused = 0; refused < 1000;) {
      auto permit = breaker->acquire(kStart);
      if (!permit) {
        ++refused;
      } else if (random.below(3) == 0) {
        held[static_cast<std::size_t>(id)].push_back(std::move(*permit));
      }
    }
  });
  std::size_t total = 0;
  for (const auto& permits : held) {
    total += permits.size();
  }
  // The last free place may have been on its way back when all were refused.
  while (auto permit = breaker->acquire(kStart)) {
    held[0].push_back(std::move(*permit));
    ++total;
  }
  EXPECT_EQ(total, 500U);
}

TEST(BreakerThreads, OneEventPerGeneration) {
  auto breaker = *CircuitBreaker::create(preset::pybreaker(2, milliseconds(1)), kStart, 1);
  std::atomic<std::int64_t> clock{0};
  std::mutex mutex;
  std::multiset<std::uint32_t> seen;
  in_threads([&](int id) {
    Random random(static_cast<std::uint64_t>(id) + 1);
    for (int i = 0; i < 20'000; ++i) {
      const Instant now = kStart + std::chrono::microseconds(clock.fetch_add(100));
      if (auto permit = breaker->acquire(now)) {
        breaker->complete(std::move(*permit), random.below(2) == 0 ? Outcome::failure : Outcome::success,
                          now);
      }
      while (auto transition = breaker->next_transition()) {
        const std::lock_guard lock(mutex);
        seen.insert(transition->generation);
      }
    }
  });
  const std::uint64_t transitions = breaker->snapshot(kStart).transitions;
  ASSERT_GT(transitions, 100U);
  EXPECT_EQ(seen.size() + breaker->lost_transitions(), transitions);
  std::uint32_t previous = 0;
  for (const std::uint32_t generation : seen) {
    EXPECT_GT(generation, previous);
    previous = generation;
  }
}

TEST(BreakerThreads, WindowTotalsAreExactWhenQuiet) {
  for (const auto kind : {WindowShape::Kind::time, WindowShape::Kind::count}) {
    BreakerConfig config;
    config.consecutive = 0;
    config.rate = 1;
    config.window = {kind, std::chrono::seconds(10), 10, 1024};
    auto breaker = *CircuitBreaker::create(config, kStart, 1);
    in_threads([&](int id) {
      for (int i = 0; i < 20'000; ++i) {
        const Instant now = kStart + std::chrono::microseconds(i * 400 + id);
        auto permit = breaker->acquire(now);
        breaker->complete(std::move(*permit), i % 4 == 3 ? Outcome::failure : Outcome::success, now);
      }
    });
    const WindowTotals totals = breaker->snapshot(kStart + std::chrono::seconds(8)).window;
    if (kind == WindowShape::Kind::time) {
      EXPECT_EQ(totals.calls, 80'000U);
      EXPECT_EQ(totals.failures, 20'000U);
    } else {
      EXPECT_EQ(totals.calls, 1024U);
    }
  }
}

// The ring turns under everybody's hands: after each jump of the clock all count at once, and no
// result may be lost, nor an old one seen.
TEST(BreakerThreads, ATurningWindowLosesNothing) {
  BreakerConfig config;
  config.consecutive = 0;
  config.rate = 1;
  config.window = {WindowShape::Kind::time, milliseconds(10), 10, 100};
  auto breaker = *CircuitBreaker::create(config, kStart, 1);
  constexpr std::array<std::int64_t, 6> kJumps{16, 10, 32, 1 << 20, 100, 1 << 24};
  std::atomic<std::int64_t> ms{0};
  std::atomic<int> wrong{0};
  std::size_t round = 0;
  std::barrier ready(kThreads, [&]() noexcept { ms += kJumps[round++ % kJumps.size()]; });
  std::barrier done(kThreads, [&]() noexcept {
    wrong += breaker->snapshot(kStart + Millis(ms)).window.calls == kThreads ? 0 : 1;
  });
  in_threads([&](int) {
    for (int i = 0; i < 3000; ++i) {
      ready.arrive_and_wait();
      const Instant now = kStart + Millis(ms);
      auto permit = breaker->acquire(now);
      breaker->complete(std::move(*permit), Outcome::success, now);
      done.arrive_and_wait();
    }
  });
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace flotilla::resilience
