#include "flotilla/resilience/core/rate_limiter.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::resilience {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};

std::unique_ptr<RateLimiter> make(const RateLimit& limit) {
  auto made = RateLimiter::create(limit);
  EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
  return std::move(*made);
}

TEST(RateLimiter, GivesTheBurstAndThenTheRate) {
  auto limiter = make({10, seconds(1), 0});
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(limiter->remaining(kStart), 10 - i);
    EXPECT_TRUE(limiter->try_acquire(kStart).admitted);
  }
  const RateDecision refused = limiter->try_acquire(kStart);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.retry_after, Duration(milliseconds(100)));
  EXPECT_EQ(refused.reset, Duration(seconds(1)));
  EXPECT_FALSE(limiter->try_acquire(kStart + milliseconds(100) - Duration(1)).admitted);
  EXPECT_TRUE(limiter->try_acquire(kStart + milliseconds(100)).admitted);
  EXPECT_FALSE(limiter->try_acquire(kStart + milliseconds(100)).admitted);
  EXPECT_TRUE(limiter->idle(kStart + milliseconds(1100)));
  EXPECT_FALSE(limiter->idle(kStart + milliseconds(1099)));
}

TEST(RateLimiter, TakesSeveralLooksAndRefunds) {
  auto limiter = make({10, seconds(1), 4});
  EXPECT_TRUE(limiter->try_acquire(kStart, 0).admitted);
  EXPECT_EQ(limiter->remaining(kStart), 4U);
  EXPECT_TRUE(limiter->try_acquire(kStart, 3).admitted);
  EXPECT_EQ(limiter->try_acquire(kStart, 2).retry_after, Duration(milliseconds(100)));
  limiter->refund(kStart, 1);
  EXPECT_TRUE(limiter->try_acquire(kStart, 2).admitted);
  limiter->refund(kStart, 100);
  EXPECT_EQ(limiter->remaining(kStart), 4U);
}

TEST(RateLimiter, SaysWhatCanNeverPass) {
  auto limiter = make({10, seconds(1), 4});
  const RateDecision refused = limiter->try_acquire(kStart, 5);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.retry_after, Duration::max());
  EXPECT_EQ(limiter->remaining(kStart), 4U);
  EXPECT_FALSE(limiter->try_acquire(kStart, 4'294'967'295U).admitted);
}

TEST(RateLimiter, HealsAfterAClockThatSteppedBack) {
  auto limiter = make({10, seconds(1), 0});
  EXPECT_TRUE(limiter->try_acquire(kStart + std::chrono::hours(5), 10).admitted);
  EXPECT_FALSE(limiter->try_acquire(kStart).admitted);
  EXPECT_TRUE(limiter->try_acquire(kStart + milliseconds(100)).admitted);
}

// Two workers whose cached clocks differ by a millisecond must not win anything by it.
TEST(RateLimiter, SkewedClocksAdmitNoMore) {
  auto limiter = make({1000, seconds(1), 10});
  std::uint64_t admitted = 0;
  for (int ms = 0; ms < 1000; ++ms) {
    for (int i = 0; i < 10; ++i) {
      admitted += limiter->try_acquire(kStart + milliseconds(ms)).admitted ? 1 : 0;
      admitted += limiter->try_acquire(kStart + milliseconds(std::max(ms - 1, 0))).admitted ? 1 : 0;
    }
  }
  EXPECT_LE(admitted, 1010U);
  EXPECT_GE(admitted, 1000U);
}

// The same admissions as a token bucket, counted exactly in units of 1 / period.
TEST(RateLimiter, AgreesWithATokenBucket) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto interval = static_cast<std::int64_t>(1000 + random.below(100'000));
    const auto burst = static_cast<std::int64_t>(1 + random.below(20));
    auto limiter = make({1, Duration(interval), static_cast<std::uint64_t>(burst)});
    std::int64_t tokens = burst * interval;  // in nanoseconds of refill
    std::int64_t now = 0;
    for (int i = 0; i < 300; ++i) {
      const auto step = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(3 * interval)));
      now += step;
      tokens = std::min(tokens + step, burst * interval);
      const auto n = static_cast<std::uint32_t>(1 + random.below(3));
      const bool expected = n * interval <= tokens;
      tokens -= expected ? n * interval : 0;
      ASSERT_EQ(limiter->try_acquire(kStart + Duration(now), n).admitted, expected) << "step " << i;
      ASSERT_EQ(limiter->remaining(kStart + Duration(now)), static_cast<std::uint64_t>(tokens / interval));
    }
  }
}

TEST(RateLimiter, ThreadsTogetherGetTheBurstExactly) {
  auto limiter = make({50'000, std::chrono::hours(1), 0});
  std::atomic<std::uint64_t> admitted{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20'000; ++i) {
          admitted += limiter->try_acquire(kStart).admitted ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(admitted, 50'000U);
}

TEST(RateLimiter, RefusesWhatItCannotHold) {
  EXPECT_FALSE(RateLimiter::create({0, seconds(1), 0}).has_value());
  EXPECT_FALSE(RateLimiter::create({1, Duration::zero(), 0}).has_value());
  EXPECT_FALSE(RateLimiter::create({10'000'001, seconds(1), 0}).has_value());
  EXPECT_FALSE(RateLimiter::create({1, std::chrono::hours(1), std::uint64_t{1} << 40}).has_value());
  EXPECT_TRUE(RateLimiter::create({10'000'000, seconds(1), 0}).has_value());
}

}  // namespace
}  // namespace flotilla::resilience
