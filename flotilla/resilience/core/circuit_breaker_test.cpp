// What the golden traces cannot say: permits, events, operator's verbs, parameters, long lives.
#include "flotilla/resilience/core/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace flotilla::resilience {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{hours(1)};

std::unique_ptr<CircuitBreaker> make(const BreakerConfig& config, std::uint64_t seed = 1) {
  auto made = CircuitBreaker::create(config, kStart, seed);
  EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
  return std::move(*made);
}

bool attempt(CircuitBreaker& breaker, Outcome outcome, Instant now) {
  auto permit = breaker.acquire(now);
  if (!permit) {
    return false;
  }
  breaker.complete(std::move(*permit), outcome, now);
  return true;
}

TEST(BreakerPermit, DestructionGivesTheProbeBack) {
  auto breaker = make(preset::pybreaker(1, seconds(1)));
  attempt(*breaker, Outcome::failure, kStart);
  const Instant later = kStart + seconds(1);
  for (int i = 0; i < 3; ++i) {
    auto permit = breaker->acquire(later);
    ASSERT_TRUE(permit.has_value());
    EXPECT_EQ(breaker->acquire(later).error().state, BreakerState::half_open);
    BreakerPermit moved = std::move(*permit);
    EXPECT_EQ(breaker->snapshot(later).probes_in_flight, 1U);
  }
  EXPECT_EQ(breaker->snapshot(later).probes_in_flight, 0U);
  EXPECT_EQ(breaker->snapshot(later).state, BreakerState::half_open);
}

TEST(BreakerPermit, AssignmentRefundsTheOneItHeld) {
  BreakerConfig config = preset::pybreaker(1, seconds(1));
  config.probes_at_once = 2;
  auto breaker = make(config);
  attempt(*breaker, Outcome::failure, kStart);
  auto first = breaker->acquire(kStart + seconds(1));
  auto second = breaker->acquire(kStart + seconds(1));
  *first = std::move(*second);
  EXPECT_EQ(breaker->snapshot(kStart + seconds(1)).probes_in_flight, 1U);
}

TEST(Breaker, SaysWhenToComeBack) {
  auto breaker = make(preset::pybreaker(1, seconds(60)));
  attempt(*breaker, Outcome::failure, kStart);
  const auto refused = breaker->acquire(kStart + seconds(10));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().retry_after, Duration(seconds(50)));
  const BreakerSnapshot s = breaker->snapshot(kStart + seconds(10));
  EXPECT_EQ(s.opened_at, kStart);
  EXPECT_EQ(s.retry_at, kStart + seconds(60));
}

TEST(Breaker, NeverCutsAWaitShort) {
  auto breaker = make(preset::pybreaker(1, seconds(1)));
  const Instant between_ticks = kStart + std::chrono::microseconds(300);
  attempt(*breaker, Outcome::failure, between_ticks);
  EXPECT_FALSE(breaker->acquire(between_ticks + seconds(1) - Duration(1)).has_value());
  EXPECT_TRUE(breaker->acquire(between_ticks + seconds(1) + milliseconds(1)).has_value());
}

TEST(Breaker, GivesEachTransitionOnceAndInOrder) {
  auto breaker = make(preset::pybreaker(1, seconds(1)));
  EXPECT_FALSE(breaker->has_transitions());
  attempt(*breaker, Outcome::failure, kStart);
  attempt(*breaker, Outcome::success, kStart + seconds(1));
  EXPECT_TRUE(breaker->has_transitions());
  const std::array<std::pair<BreakerState, TransitionCause>, 3> expected{{
      {BreakerState::open, TransitionCause::consecutive_failures},
      {BreakerState::half_open, TransitionCause::wait_over},
      {BreakerState::closed, TransitionCause::probes_passed},
  }};
  BreakerState from = BreakerState::closed;
  for (std::uint32_t i = 0; i < expected.size(); ++i) {
    const auto got = breaker->next_transition();
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->generation, i + 1);
    EXPECT_EQ(got->from, from);
    EXPECT_EQ(got->to, expected[i].first);
    EXPECT_EQ(got->cause, expected[i].second);
    EXPECT_EQ(got->at, i == 0 ? kStart : kStart + seconds(1));
    from = got->to;
  }
  EXPECT_FALSE(breaker->next_transition().has_value());
  EXPECT_FALSE(breaker->has_transitions());
}

TEST(Breaker, CountsTransitionsTakenTooLate) {
  auto breaker = make(preset::pybreaker());
  for (int i = 0; i < 20; ++i) {
    breaker->close(kStart);
  }
  std::uint32_t taken = 0;
  while (auto t = breaker->next_transition()) {
    EXPECT_EQ(t->generation, 5 + taken);
    ++taken;
  }
  EXPECT_EQ(taken, 16U);
  EXPECT_EQ(breaker->lost_transitions(), 4U);
}

TEST(Breaker, OverloadFeedsTheRateAndFailsAProbeButIsNoRun) {
  BreakerConfig config;
  config.consecutive = 2;
  config.jitter = 0;
  auto breaker = make(config);
  attempt(*breaker, Outcome::failure, kStart);
  for (int i = 0; i < 18; ++i) {
    attempt(*breaker, Outcome::overload, kStart);
  }
  EXPECT_EQ(breaker->snapshot(kStart).failures, 1U);
  EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::closed);
  attempt(*breaker, Outcome::overload, kStart);  // the 20th call: min_calls
  EXPECT_EQ(breaker->next_transition()->cause, TransitionCause::failure_rate);
  attempt(*breaker, Outcome::overload, kStart + seconds(5));
  EXPECT_EQ(breaker->snapshot(kStart + seconds(5)).state, BreakerState::open);
}

TEST(Breaker, IgnoredProbesInARowCountAsOneSuccessAtLast) {
  BreakerConfig config = preset::pybreaker(1, seconds(1));
  config.excluded_as = CountAs::ignore;
  config.starve = 16;
  auto breaker = make(config);
  attempt(*breaker, Outcome::failure, kStart);
  const Instant later = kStart + seconds(1);
  for (int i = 0; i < 15; ++i) {
    attempt(*breaker, Outcome::excluded, later);
    attempt(*breaker, Outcome::cancelled, later);
  }
  EXPECT_EQ(breaker->snapshot(later).state, BreakerState::half_open);
  attempt(*breaker, Outcome::excluded, later);
  EXPECT_EQ(breaker->snapshot(later).state, BreakerState::closed);
}

TEST(Breaker, ASlowProbeDoesNotProveItWell) {
  BreakerConfig config = preset::pybreaker(1, seconds(1));
  config.window = {WindowShape::Kind::count, seconds(10), 10, 10};
  config.slow_rate = 0.5;
  config.slow_call = milliseconds(100);
  auto breaker = make(config);
  attempt(*breaker, Outcome::failure, kStart);
  auto permit = breaker->acquire(kStart + seconds(1));
  breaker->complete(std::move(*permit), Outcome::success, kStart + seconds(2), milliseconds(101));
  EXPECT_EQ(breaker->snapshot(kStart + seconds(2)).state, BreakerState::open);
}

TEST(Breaker, JitterStaysWithinItsShareAndFollowsTheSeed) {
  BreakerConfig config = preset::pybreaker(1, seconds(10));
  config.jitter = 0.2;
  Duration shortest = hours(1);
  Duration longest{0};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    auto a = make(config, seed);
    auto b = make(config, seed);
    attempt(*a, Outcome::failure, kStart);
    attempt(*b, Outcome::failure, kStart);
    const Duration wait = *a->snapshot(kStart).retry_at - kStart;
    EXPECT_EQ(wait, *b->snapshot(kStart).retry_at - kStart);
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  }
  EXPECT_GE(shortest, Duration(seconds(8)));
  EXPECT_LE(longest, Duration(seconds(12)) + milliseconds(1));
  EXPECT_LT(shortest, Duration(milliseconds(8500)));
  EXPECT_GT(longest, Duration(milliseconds(11500)));
}

TEST(Breaker, TheTimerLooksButNeverForces) {
  BreakerConfig config = preset::pybreaker(1, seconds(1));
  auto lazy = make(config);
  config.trigger = Trigger::timer;
  auto eager = make(config);
  for (auto* breaker : {lazy.get(), eager.get()}) {
    attempt(*breaker, Outcome::failure, kStart);
    EXPECT_EQ(breaker->look(kStart + milliseconds(999)), BreakerState::open);
  }
  EXPECT_EQ(lazy->look(kStart + seconds(1)), BreakerState::open);
  EXPECT_EQ(eager->look(kStart + seconds(1)), BreakerState::half_open);
}

TEST(Breaker, EvaluatedByTicksItOpensAtTheTickOnly) {
  auto breaker = make(preset::hystrix());
  for (int i = 0; i < 20; ++i) {
    attempt(*breaker, Outcome::failure, kStart);
  }
  EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::closed);
  EXPECT_EQ(breaker->look(kStart + milliseconds(500)), BreakerState::open);
}

TEST(Breaker, ObservesWithoutOpening) {
  auto breaker = make(preset::pybreaker(2));
  breaker->set_mode(BreakerMode::observe, kStart);
  for (const Outcome o : {Outcome::failure, Outcome::failure, Outcome::failure, Outcome::success,
                          Outcome::failure, Outcome::failure}) {
    EXPECT_TRUE(attempt(*breaker, o, kStart));
  }
  EXPECT_EQ(breaker->snapshot(kStart).would_have_opened, 2U);  // once per excursion, not per failure
  EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::closed);
}

TEST(Breaker, OperatorVerbs) {
  auto breaker = make(preset::pybreaker(5, seconds(60)));
  EXPECT_TRUE(breaker->open(kStart, seconds(5)));
  EXPECT_EQ(breaker->snapshot(kStart).retry_at, kStart + seconds(5));
  EXPECT_TRUE(breaker->open(kStart + seconds(1)));
  EXPECT_EQ(breaker->snapshot(kStart).retry_at, kStart + seconds(61));
  EXPECT_TRUE(breaker->probe(kStart + seconds(2)));
  EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::half_open);
  breaker->set_mode(BreakerMode::forced_open, kStart + seconds(3));
  EXPECT_FALSE(breaker->open(kStart));
  EXPECT_FALSE(breaker->probe(kStart));
  EXPECT_FALSE(breaker->acquire(kStart + hours(1)).has_value());
  breaker->close(kStart + seconds(4));
  EXPECT_EQ(breaker->snapshot(kStart).mode, BreakerMode::automatic);
  EXPECT_TRUE(breaker->acquire(kStart + seconds(4)).has_value());
}

TEST(Breaker, ASuccessorGoesOnWhereTheOldOneIs) {
  BreakerConfig config;
  config.jitter = 0;
  config.consecutive = 0;
  auto old = make(config);
  for (int i = 0; i < 9; ++i) {
    attempt(*old, Outcome::failure, kStart + milliseconds(300) * i);
  }
  config.window.buckets = 5;
  config.consecutive = 20;
  auto next = CircuitBreaker::create_successor(*old, config, kStart + seconds(3));
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ((*next)->snapshot(kStart + seconds(3)).window.failures, 9U);
  EXPECT_EQ((*next)->snapshot(kStart + seconds(3)).failures, 9U);
  for (int i = 0; i < 11; ++i) {
    attempt(**next, Outcome::failure, kStart + seconds(3));
  }
  EXPECT_EQ((*next)->snapshot(kStart).state, BreakerState::open);

  config.open = seconds(8);
  auto longer = CircuitBreaker::create_successor(**next, config, kStart + seconds(4));
  EXPECT_EQ((*longer)->snapshot(kStart).retry_at, kStart + seconds(11));
  (*longer)->probe(kStart + seconds(5));
  auto probe = (*longer)->acquire(kStart + seconds(5));
  auto last = CircuitBreaker::create_successor(**longer, config, kStart + seconds(6));
  EXPECT_EQ((*last)->snapshot(kStart).probes_in_flight, 0U);
  EXPECT_TRUE((*last)->acquire(kStart + seconds(6)).has_value());
}

TEST(Breaker, ASuccessorKeepsAWindowOfTheSameShape) {
  for (const auto kind : {WindowShape::Kind::time, WindowShape::Kind::count}) {
    BreakerConfig config;
    config.window = {kind, seconds(10), 10, 30};
    config.consecutive = 0;
    config.rate = 1;
    auto old = make(config);
    for (int i = 0; i < 25; ++i) {
      attempt(*old, i % 5 == 0 ? Outcome::failure : Outcome::success, kStart + milliseconds(400) * i);
    }
    config.rate = 0.5;
    auto next = CircuitBreaker::create_successor(*old, config, kStart + seconds(10));
    ASSERT_TRUE(next.has_value());
    for (const int later : {10, 12, 15, 18}) {
      const WindowTotals expected = old->snapshot(kStart + seconds(later)).window;
      const WindowTotals got = (*next)->snapshot(kStart + seconds(later)).window;
      EXPECT_GT(expected.calls, 0U);
      EXPECT_EQ(got.calls, expected.calls);
      EXPECT_EQ(got.failures, expected.failures);
    }
  }
  BreakerConfig other;
  auto old = make(BreakerConfig{});
  attempt(*old, Outcome::failure, kStart);
  other.window.kind = WindowShape::Kind::count;
  auto next = CircuitBreaker::create_successor(*old, other, kStart);
  EXPECT_EQ((*next)->snapshot(kStart).window.calls,
            0U);  // nothing to carry between a time and a count window
  EXPECT_EQ((*next)->snapshot(kStart).failures, 1U);
}

// 2^18 generations wrap; an outage can last for more than half of them without touching the run.
TEST(Breaker, CountsFailuresAfterAnyNumberOfTransitions) {
  for (const int transitions : {70'000, 131'072, 200'000, 262'143, 262'145}) {
    auto breaker = make(preset::pybreaker(2));
    attempt(*breaker, Outcome::failure, kStart);
    for (int i = 0; i < transitions; ++i) {
      breaker->close(kStart);
    }
    attempt(*breaker, Outcome::failure, kStart);
    EXPECT_EQ(breaker->snapshot(kStart).failures, 1U) << transitions;
    attempt(*breaker, Outcome::failure, kStart);
    EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::open) << transitions;
    EXPECT_TRUE(attempt(*breaker, Outcome::success, kStart + seconds(60))) << transitions;
    EXPECT_EQ(breaker->snapshot(kStart).state, BreakerState::closed) << transitions;
  }
}

TEST(BreakerWindow, SeesNothingOldAfterAnyIdleTime) {
  BreakerConfig config;
  config.consecutive = 0;
  config.window = {WindowShape::Kind::time, milliseconds(10), 10,
                   100};  // buckets of 1 ms: 2^20 of them last 17 min
  for (const std::int64_t idle :
       {1 << 4, 1 << 19, (1 << 19) + 7, (1 << 20) - 12, (1 << 20) - 3, (1 << 20) + 11, 1 << 22}) {
    auto breaker = make(config);
    for (int i = 0; i < 12; ++i) {
      attempt(*breaker, Outcome::failure, kStart + milliseconds(i));
    }
    const Instant later = kStart + milliseconds(12 + idle);
    EXPECT_EQ(breaker->snapshot(later).window.calls, 0U) << idle;
    for (int i = 0; i < 10; ++i) {
      attempt(*breaker, Outcome::success, later + milliseconds(i));
      EXPECT_EQ(breaker->snapshot(later + milliseconds(i)).window.calls, static_cast<std::uint32_t>(i + 1))
          << idle;
    }
  }
}

TEST(BreakerConfigCheck, RefusesWhatCannotWork) {
  const auto refused = [](auto change, std::string_view part) {
    BreakerConfig config;
    change(config);
    const auto result = check(config);
    ASSERT_FALSE(result.has_value()) << part;
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  };
  refused([](BreakerConfig& c) { c.rate = 1.01; }, "failure rate");
  refused([](BreakerConfig& c) { c.window.kind = WindowShape::Kind::none; }, "needs a window");
  refused([](BreakerConfig& c) { c.consecutive = 0, c.rate = 0; }, "nothing would ever open");
  refused([](BreakerConfig& c) { c.window.buckets = 65; }, "buckets");
  refused([](BreakerConfig& c) { c.window.length = milliseconds(9); }, "1ms per bucket");
  refused([](BreakerConfig& c) { c.window = {WindowShape::Kind::count, seconds(1), 1, 1025}; }, "1024");
  refused([](BreakerConfig& c) { c.open = Duration(1); }, "stays open");
  refused([](BreakerConfig& c) { c.max = seconds(1); }, "longest open time");
  refused([](BreakerConfig& c) { c.jitter = 1; }, "jitter");
  refused([](BreakerConfig& c) { c.mult = 0.5; }, "growth");
  refused([](BreakerConfig& c) { c.probes_at_once = 0; }, "half-open");
  refused([](BreakerConfig& c) { c.probes_total = 2; }, "in total");  // three successes close it
  refused([](BreakerConfig& c) { c.rate = 0, c.close.kind = CloseRule::Kind::rate; }, "closing by rate");
}

TEST(BreakerConfigCheck, AcceptsEveryPreset) {
  for (const BreakerConfig& config :
       {BreakerConfig{}, preset::pybreaker(), preset::resilience4j(), preset::polly(), preset::hystrix(),
        preset::gobreaker(), preset::gobreaker(3), preset::linkerd()}) {
    EXPECT_TRUE(check(config).has_value());
  }
}

}  // namespace
}  // namespace flotilla::resilience
