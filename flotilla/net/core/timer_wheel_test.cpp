#include "flotilla/net/core/timer_wheel.hpp"

#include <cstdio>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::net {
namespace {

using namespace std::chrono_literals;

Instant at(Duration d) { return Instant(1h) + d; }

struct Probe {
  Probe() : timer([](void* self) { ++static_cast<Probe*>(self)->fired; }, this) {}
  int fired = 0;
  Timer timer;
};

TEST(TimerWheel, FiresOnceAndNeverEarly) {
  TimerWheel wheel(at(0ms));
  Probe probe;
  wheel.arm(probe.timer, at(10ms));
  for (Duration t = 0ms; t < 10ms; t += 1ms) {
    wheel.advance(at(t));
    EXPECT_EQ(probe.fired, 0) << t.count();
  }
  wheel.advance(at(10ms + TimerWheel::kTick));
  EXPECT_EQ(probe.fired, 1);
  wheel.advance(at(1h));
  EXPECT_EQ(probe.fired, 1);
}

TEST(TimerWheel, MovingLaterAndEarlierBothHold) {
  TimerWheel wheel(at(0ms));
  Probe later;
  Probe earlier;
  wheel.arm(later.timer, at(20ms));
  wheel.arm(later.timer, at(10s));
  wheel.arm(earlier.timer, at(10s));
  wheel.arm(earlier.timer, at(20ms));
  wheel.advance(at(30ms));
  EXPECT_EQ(later.fired, 0);
  EXPECT_EQ(earlier.fired, 1);
  wheel.advance(at(9s));
  EXPECT_EQ(later.fired, 0);
  wheel.advance(at(11s));
  EXPECT_EQ(later.fired, 1);
}

TEST(TimerWheel, DisarmedAndDestroyedTimersDoNotFire) {
  TimerWheel wheel(at(0ms));
  Probe disarmed;
  auto destroyed = std::make_unique<Probe>();
  wheel.arm(disarmed.timer, at(10ms));
  wheel.arm(destroyed->timer, at(10ms));
  disarmed.timer.disarm();
  destroyed.reset();
  wheel.advance(at(1s));
  EXPECT_EQ(disarmed.fired, 0);
}

TEST(TimerWheel, CallbackMayDestroyATimerOfTheSameSlot) {
  TimerWheel wheel(at(0ms));
  auto victim = std::make_unique<Probe>();
  struct Killer {
    std::unique_ptr<Probe>* victim;
    Timer timer{[](void* self) { static_cast<Killer*>(self)->victim->reset(); }, this};
  } killer{&victim};
  wheel.arm(killer.timer, at(10ms));
  wheel.arm(victim->timer, at(10ms));
  wheel.advance(at(1s));
  EXPECT_EQ(victim, nullptr);
}

TEST(TimerWheel, NextWaitNeverSleepsPastADeadline) {
  TimerWheel wheel(at(0ms));
  EXPECT_EQ(wheel.next_wait(at(0ms)), std::nullopt);
  Probe probe;
  wheel.arm(probe.timer, at(100ms));
  const auto wait = wheel.next_wait(at(0ms));
  ASSERT_TRUE(wait.has_value());
  EXPECT_GE(*wait, 100ms);
  EXPECT_LE(*wait, 100ms + 2 * TimerWheel::kTick);
}

// Against a naive model: each timer fires exactly once, in [deadline, deadline + one tick + step].
TEST(TimerWheel, AgreesWithANaiveModel) {
  constexpr std::uint64_t kSeed = 7;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Random random(kSeed);
  TimerWheel wheel(at(0ms));
  std::vector<std::unique_ptr<Probe>> probes;
  std::vector<Instant> due;
  std::vector<int> expected;
  for (int i = 0; i < 500; ++i) {
    probes.push_back(std::make_unique<Probe>());
    due.push_back(kNever);
    expected.push_back(0);
  }
  Instant now = at(0ms);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t i = random.below(probes.size());
    if (random.below(5) == 0) {
      probes[i]->timer.disarm();
      due[i] = kNever;
    } else {
      due[i] = now + Duration(static_cast<std::int64_t>(random.below(20'000'000'000ULL)));
      wheel.arm(probes[i]->timer, due[i]);
    }
    now += Duration(static_cast<std::int64_t>(random.below(30'000'000ULL)));
    wheel.advance(now);
    for (std::size_t k = 0; k < probes.size(); ++k) {
      if (due[k] != kNever && due[k] + TimerWheel::kTick <= now) {
        ++expected[k];
        due[k] = kNever;
      } else if (due[k] != kNever && probes[k]->fired == expected[k] + 1) {
        EXPECT_LE(due[k], now);
        ++expected[k];
        due[k] = kNever;
      }
      ASSERT_EQ(probes[k]->fired, expected[k]) << "timer " << k << " round " << round;
    }
  }
}

}  // namespace
}  // namespace flotilla::net
