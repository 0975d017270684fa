// Random histories against a model that is naive enough to be seen to be right.
#include <deque>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"

namespace flotilla::resilience {
namespace {

constexpr Instant kStart{std::chrono::hours(1)};

// Plain variables, milliseconds, one thread, no packing.
struct Model {
  struct Result {
    std::int64_t bucket;
    bool failed;
    bool slow;
  };
  BreakerConfig c;
  BreakerState state = BreakerState::closed;
  int generation = 0;
  int openings = 0;
  std::int64_t deadline = 0;
  std::uint64_t run = 0;
  std::uint64_t late = 0;
  std::deque<Result> window{};
  std::int64_t newest = 0;
  std::uint32_t admitted = 0, in_flight = 0, good = 0, bad = 0, ignored = 0;

  void enter(BreakerState next) {
    state = next;
    ++generation;
    run = 0;
    window.clear();
    admitted = in_flight = good = bad = ignored = 0;
  }
  void open(std::int64_t now, std::int64_t retry_after) {
    openings = std::min(openings + 1, 15);
    double wait = static_cast<double>(c.open / Millis(1));
    for (int k = 1; k < openings; ++k) {
      wait = std::min(wait * c.mult, static_cast<double>(c.max / Millis(1)));
    }
    auto ms = static_cast<std::int64_t>(wait);
    if (c.honour_retry_after) {
      ms = std::max(ms, std::min(retry_after, static_cast<std::int64_t>(c.retry_after_cap / Millis(1))));
    }
    deadline = now + ms;
    enter(BreakerState::open);
  }
  void overdue(std::int64_t now) {
    if (state == BreakerState::half_open && c.half_open_max.count() != 0 && now >= deadline) {
      if (c.half_open_to == AfterHalfOpen::open) {
        open(now, 0);
      } else {
        openings = 0;
        enter(BreakerState::closed);
      }
    }
  }
  bool acquire(std::int64_t now) {
    overdue(now);
    if (state == BreakerState::open) {
      if (now < deadline || (c.edge == Edge::after && now == deadline)) {
        return false;
      }
      enter(BreakerState::half_open);
      deadline = now + c.half_open_max / Millis(1);
    }
    if (state == BreakerState::half_open) {
      if (in_flight >= c.probes_at_once || (c.probes_total != 0 && admitted >= c.probes_total)) {
        return false;
      }
      ++admitted;
      ++in_flight;
    }
    return true;
  }
  void complete(int permit_generation, Outcome outcome, std::int64_t now, bool slow,
                std::int64_t retry_after) {
    overdue(now);
    if (permit_generation != generation) {
      ++late;
      return;
    }
    if ((outcome == Outcome::excluded && c.excluded_as == CountAs::success) ||
        (outcome == Outcome::cancelled && c.cancelled_as == CountAs::success)) {
      outcome = Outcome::success;
    }
    const bool ignore = outcome == Outcome::excluded || outcome == Outcome::cancelled;
    slow = slow && c.slow_rate > 0 && !ignore;
    if (state == BreakerState::closed) {
      if (!ignore) {
        closed_result(outcome, now, slow, retry_after);
      }
      return;
    }
    --in_flight;
    if (outcome == Outcome::excluded && ++ignored >= c.starve) {
      ignored = 0;
      outcome = Outcome::success;
    } else if (ignore) {
      --admitted;
      return;
    } else {
      ignored = 0;
    }
    (outcome == Outcome::success && !slow ? good : bad) += 1;
    if (c.close.kind == CloseRule::Kind::rate) {
      if (good + bad >= c.close.n) {
        verdict(!reaches(bad, good + bad, c.rate), now, retry_after);
      }
    } else if (bad >= c.reopen_failures || good >= c.close.n) {
      verdict(bad < c.reopen_failures, now, retry_after);
    }
  }
  void verdict(bool well, std::int64_t now, std::int64_t retry_after) {
    if (well) {
      openings = 0;
      enter(BreakerState::closed);
    } else {
      open(now, retry_after);
    }
  }
  bool reaches(std::size_t part, std::size_t whole, double share) const {
    const auto percent = static_cast<std::size_t>(share * 100 + 0.5);
    return c.compare == Compare::ge ? part * 100 >= whole * percent : part * 100 > whole * percent;
  }
  void closed_result(Outcome outcome, std::int64_t now, bool slow, std::int64_t retry_after) {
    const bool failed = outcome != Outcome::success;
    run = outcome == Outcome::success ? 0 : run + (outcome == Outcome::failure ? 1 : 0);
    std::int64_t per_bucket = 1;
    if (c.window.kind == WindowShape::Kind::time) {
      per_bucket = c.window.length / Millis(1) / c.window.buckets;
      newest = std::max(newest, now / per_bucket);
      window.push_back({newest, failed, slow});
    } else if (c.window.kind == WindowShape::Kind::count) {
      window.push_back({0, failed, slow});
      if (window.size() > c.window.size) {
        window.pop_front();
      }
    }
    if (c.evaluate == Evaluate::any || failed || slow) {
      trip(now, retry_after);
    }
  }
  WindowTotals totals(std::int64_t now) const {
    WindowTotals t;
    const std::int64_t per_bucket =
        c.window.kind == WindowShape::Kind::time ? c.window.length / Millis(1) / c.window.buckets : 1;
    const std::int64_t last = std::max(newest, now / per_bucket);
    for (const Result& r : window) {
      if (c.window.kind == WindowShape::Kind::count || r.bucket > last - c.window.buckets) {
        ++t.calls;
        t.failures += r.failed ? 1 : 0;
        t.slow += r.slow ? 1 : 0;
      }
    }
    return t;
  }
  void trip(std::int64_t now, std::int64_t retry_after) {
    const WindowTotals t = totals(now);
    const std::uint32_t least =
        c.window.kind == WindowShape::Kind::count ? std::min(c.min_calls, c.window.size) : c.min_calls;
    const bool enough = t.calls >= least && t.calls > 0;
    if ((c.consecutive != 0 && run >= c.consecutive) ||
        (enough && c.rate > 0 && reaches(t.failures, t.calls, c.rate)) ||
        (enough && c.slow_rate > 0 && reaches(t.slow, t.calls, c.slow_rate))) {
      open(now, retry_after);
    }
  }
};

BreakerConfig random_config(Random& random) {
  const auto chance = [&](std::uint64_t of) { return random.below(of) == 0; };
  BreakerConfig c;
  c.window.kind = static_cast<WindowShape::Kind>(random.below(3));
  c.window.buckets = static_cast<std::uint32_t>(1 + random.below(12));
  c.window.length = Millis(100) * c.window.buckets;
  c.window.size = static_cast<std::uint32_t>(1 + random.below(30));
  const bool windowed = c.window.kind != WindowShape::Kind::none;
  c.rate = windowed && !chance(4) ? static_cast<double>(1 + random.below(100)) / 100 : 0;
  c.slow_rate = windowed && chance(3) ? static_cast<double>(1 + random.below(100)) / 100 : 0;
  c.slow_call = Millis(100);
  c.consecutive = chance(3) && c.rate > 0 ? 0 : static_cast<std::uint32_t>(1 + random.below(6));
  c.min_calls = static_cast<std::uint32_t>(random.below(20));
  c.compare = chance(3) ? Compare::gt : Compare::ge;
  c.evaluate = chance(2) ? Evaluate::any : Evaluate::failure;
  c.open = Millis(1 + random.below(500));
  c.mult = static_cast<double>(1 + random.below(3));
  c.max = c.open * static_cast<std::int64_t>(1 + random.below(6));
  c.jitter = 0;
  c.edge = chance(3) ? Edge::after : Edge::at;
  c.retry_after_cap = Millis(random.below(2000));
  c.honour_retry_after = chance(2);
  c.probes_at_once = static_cast<std::uint32_t>(1 + random.below(4));
  c.close.kind = c.rate > 0 && chance(3) ? CloseRule::Kind::rate : CloseRule::Kind::successes;
  c.close.n = static_cast<std::uint32_t>(1 + random.below(4));
  c.reopen_failures = static_cast<std::uint32_t>(1 + random.below(3));
  c.probes_total =
      chance(2) ? 0 : c.close.n + c.reopen_failures + static_cast<std::uint32_t>(random.below(3));
  c.half_open_max = chance(3) ? Duration::zero() : Duration(Millis(1 + random.below(1000)));
  c.half_open_to = chance(4) ? AfterHalfOpen::closed : AfterHalfOpen::open;
  c.starve = static_cast<std::uint32_t>(1 + random.below(6));
  c.excluded_as = chance(4) ? CountAs::success : CountAs::ignore;
  c.cancelled_as = chance(4) ? CountAs::success : CountAs::ignore;
  return c;
}

// Steps in each state, to prove that the walk went everywhere.
using Visits = std::array<std::size_t, 3>;

void walk(std::uint64_t seed, Visits& visits) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Model model{.c = random_config(random)};
  auto made = CircuitBreaker::create(model.c, kStart, seed);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  CircuitBreaker& breaker = **made;
  std::vector<std::pair<BreakerPermit, int>> held;
  std::int64_t ms = 0;
  const std::uint64_t sickness = random.below(10);
  for (int step = 0; step < 400; ++step) {
    ms += static_cast<std::int64_t>(random.below(4) == 0 ? random.below(400) : random.below(20));
    // Now and then a clock that is behind.
    const std::int64_t t = random.below(10) == 0 ? std::max<std::int64_t>(0, ms - 50) : ms;
    const Instant now = kStart + Millis(t);
    if (held.empty() || random.below(2) == 0) {
      auto permit = breaker.acquire(now);
      ASSERT_EQ(permit.has_value(), model.acquire(t)) << "step " << step;
      if (permit) {
        held.emplace_back(std::move(*permit), model.generation);
      }
    } else {
      const std::size_t i = random.below(held.size());
      constexpr std::array kOthers{Outcome::success, Outcome::overload, Outcome::excluded,
                                   Outcome::cancelled};
      const Outcome outcome = random.below(10) < sickness ? Outcome::failure : kOthers[random.below(4)];
      const bool slow = random.below(4) == 0;
      const auto retry_after = static_cast<std::int64_t>(random.below(3) == 0 ? random.below(3000) : 0);
      breaker.complete(std::move(held[i].first), outcome, now, slow ? Millis(101) : Millis(100),
                       Millis(retry_after));
      model.complete(held[i].second, outcome, t, slow, retry_after);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
    }
    const BreakerSnapshot s = breaker.snapshot(now);
    ++visits[static_cast<std::size_t>(s.state)];
    ASSERT_EQ(s.state, model.state) << "step " << step;
    ASSERT_EQ(s.transitions, static_cast<std::uint64_t>(model.generation)) << "step " << step;
    ASSERT_EQ(s.late, model.late) << "step " << step;
    ASSERT_EQ(s.failures, model.state == BreakerState::closed ? model.run : 0) << "step " << step;
    ASSERT_EQ(s.probes_in_flight, model.in_flight) << "step " << step;
    const WindowTotals expected = model.totals(t);
    ASSERT_EQ(s.window.calls, expected.calls) << "step " << step;
    ASSERT_EQ(s.window.failures, expected.failures) << "step " << step;
    ASSERT_EQ(s.window.slow, expected.slow) << "step " << step;
    if (s.retry_at) {
      ASSERT_EQ((*s.retry_at - kStart) / Millis(1), model.deadline) << "step " << step;
    }
  }
}

TEST(BreakerModel, AgreesOnRandomHistories) {
  Visits visits{};
  for (std::uint64_t seed = 1; seed <= 3000 && !testing::Test::HasFailure(); ++seed) {
    walk(seed, visits);
  }
  for (const std::size_t count : visits) {
    EXPECT_GT(count, 10'000U);
  }
}

}  // namespace
}  // namespace flotilla::resilience
