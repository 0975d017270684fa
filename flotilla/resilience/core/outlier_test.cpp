#include "flotilla/resilience/core/outlier.hpp"

#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace flotilla::resilience {
namespace {

using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};

// n instances and their detector.
struct Pool {
  explicit Pool(std::size_t n, const OutlierConfig& config = {}) : instances(n) {
    for (OutlierInstance& instance : instances) {
      all.push_back(&instance);
    }
    detector = *OutlierDetector::create(config);
  }
  bool fail(std::size_t i, Instant now, int times = 1) {
    bool ejected = false;
    for (int k = 0; k < times; ++k) {
      ejected = detector->failure(instances[i], all, now) || ejected;
    }
    return ejected;
  }
  std::size_t out(Instant now) const {
    std::size_t n = 0;
    for (const OutlierInstance& instance : instances) {
      n += instance.ejected(now) ? 1 : 0;
    }
    return n;
  }
  std::deque<OutlierInstance> instances;
  std::vector<OutlierInstance*> all;
  std::unique_ptr<OutlierDetector> detector;
};

TEST(Outlier, HowManyMayBeOut) {
  const std::array<std::uint32_t, 11> expected{0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4};
  for (std::uint32_t n = 0; n < expected.size(); ++n) {
    EXPECT_EQ(max_ejectable(n), expected[n]) << n;
  }
  EXPECT_EQ(max_ejectable(100), 10U);
  for (std::uint32_t n = 1; n < 1000; ++n) {
    EXPECT_GE(max_ejectable(n + 1), max_ejectable(n)) << n;
    EXPECT_LT(max_ejectable(n, 1.0), n) << n;
  }
}

TEST(Outlier, TheBoundHoldsWhenEverythingFails) {
  for (std::size_t n = 1; n <= 10; ++n) {
    Pool pool(n);
    for (std::size_t i = 0; i < n; ++i) {
      pool.fail(i, kStart, 20);
    }
    EXPECT_EQ(pool.out(kStart), max_ejectable(static_cast<std::uint32_t>(n))) << n;
    EXPECT_GT(pool.detector->spared(), 0U) << n;
  }
}

TEST(Outlier, OnlyARunOfFailuresEjects) {
  Pool pool(5);
  EXPECT_FALSE(pool.fail(0, kStart, 4));
  pool.detector->success(pool.instances[0]);
  EXPECT_FALSE(pool.fail(0, kStart, 4));
  EXPECT_TRUE(pool.fail(0, kStart));
  EXPECT_TRUE(pool.instances[0].ejected(kStart + seconds(30) - Duration(1)));
  EXPECT_FALSE(pool.instances[0].ejected(kStart + seconds(30)));
}

TEST(Outlier, ReturnsOnProbation) {
  Pool pool(5);
  pool.fail(0, kStart, 5);
  EXPECT_FALSE(pool.fail(0, kStart + seconds(10), 50));               // begun before: they change nothing
  EXPECT_TRUE(pool.fail(0, kStart + seconds(31)));                    // the first after its return
  EXPECT_TRUE(pool.instances[0].ejected(kStart + seconds(31 + 59)));  // twice as long
  EXPECT_FALSE(pool.instances[0].ejected(kStart + seconds(31 + 60)));
  pool.detector->success(pool.instances[0]);
  EXPECT_FALSE(pool.fail(0, kStart + seconds(100), 4));
}

TEST(Outlier, EjectionsGrowToTheLongestAndShrinkWithHealth) {
  Pool pool(5);
  Instant now = kStart;
  std::vector<std::int64_t> lasted;
  pool.fail(0, now, 4);
  for (int i = 0; i < 13; ++i) {
    ASSERT_TRUE(pool.fail(0, now));
    std::int64_t s = 0;
    while (pool.instances[0].ejected(now)) {
      now += seconds(1);
      ++s;
    }
    lasted.push_back(s);
  }
  EXPECT_EQ(lasted,
            (std::vector<std::int64_t>{30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300, 300}));
  pool.detector->success(pool.instances[0]);
  now += seconds(30) * 9;  // nine ejection times without one
  ASSERT_TRUE(pool.fail(0, now, 5));
  EXPECT_EQ(pool.instances[0].ejections(), 3U);
}

// Two workers see the last failure of two instances at the same moment, and only one more may go. The
// pool is large so that counting who is out takes long enough for them to meet.
TEST(Outlier, WorkersTogetherNeverEjectTooMany) {
  constexpr int kRounds = 3'000;
  Pool pool(400, {5, seconds(30), seconds(300), 0});
  for (std::size_t i = 0; i < 5; ++i) {
    pool.fail(i, kStart, 4);
  }
  std::atomic<int> arrived{0};
  // Spins, because threads woken by the kernel would not come at the same moment.
  const auto meet = [&arrived](int target) {
    arrived.fetch_add(1);
    for (int spins = 0; arrived.load() < target; ++spins) {
      if (spins > 10'000) {
        std::this_thread::yield();
      }
    }
  };
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        for (int round = 0; round < kRounds; ++round) {
          const Instant now = kStart + std::chrono::hours(round);  // all are back, on probation
          for (std::size_t i = 0; t == 0 && i < 3; ++i) {
            pool.fail(i, now);
          }
          meet(4 * round + 2);
          pool.fail(3 + t, now);
          meet(4 * round + 4);
          wrong += t == 0 && pool.out(now) != 4 ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Outlier, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(OutlierDetector::create({0, seconds(30), seconds(300), 0.1}).has_value());
  EXPECT_FALSE(OutlierDetector::create({5, Duration::zero(), seconds(300), 0.1}).has_value());
  EXPECT_FALSE(OutlierDetector::create({5, seconds(30), seconds(3), 0.1}).has_value());
  EXPECT_FALSE(OutlierDetector::create({5, seconds(30), seconds(300), 1.1}).has_value());
}

}  // namespace
}  // namespace flotilla::resilience
