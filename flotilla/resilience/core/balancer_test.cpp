#include "flotilla/resilience/core/balancer.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace flotilla::resilience {
namespace {

constexpr std::array kKinds{Balance::round_robin, Balance::random, Balance::least_request, Balance::weighted};

using Loads = std::vector<InstanceLoad>;

std::vector<int> histogram(Balance kind, const Loads& loads, int picks,
                           std::span<const std::uint32_t> tried = {}) {
  Balancer balancer(kind);
  Random random(42);
  std::vector<int> hits(loads.size());
  for (int i = 0; i < picks; ++i) {
    const auto picked = balancer.pick(InstanceLoadSpan{loads}, random, tried);
    EXPECT_TRUE(picked.has_value());
    ++hits.at(*picked);
  }
  return hits;
}

TEST(Balancer, NobodyOnlyIfThereIsNobody) {
  for (const Balance kind : kKinds) {
    Balancer balancer(kind);
    Random random(1);
    EXPECT_FALSE(balancer.pick(InstanceLoadSpan{}, random).has_value());
    for (std::uint32_t n = 1; n <= 4; ++n) {
      for (std::uint32_t mask = 0; mask < (1U << n); ++mask) {
        Loads loads(n);
        for (std::uint32_t i = 0; i < n; ++i) {
          loads[i].eligible = (mask >> i & 1U) != 0;
        }
        for (int draw = 0; draw < 50; ++draw) {
          const auto picked = balancer.pick(InstanceLoadSpan{loads}, random);
          ASSERT_TRUE(picked.has_value());
          ASSERT_LT(*picked, n);
          ASSERT_TRUE(mask == 0 || loads[*picked].eligible);
        }
      }
    }
  }
}

TEST(Balancer, PrefersUntriedThenEligibleThenFallsOpen) {
  for (const Balance kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    const std::array<std::uint32_t, 1> tried{1};
    const Loads two_left{{0, 1, true}, {0, 1, true}, {0, 1, false}};
    EXPECT_EQ(histogram(kind, two_left, 200, tried)[0], 200);
    const Loads one_left{{0, 1, false}, {0, 1, true}, {0, 1, false}};
    EXPECT_EQ(histogram(kind, one_left, 200, tried)[1], 200);
    const Loads none_left{{0, 1, false}, {0, 1, false}, {0, 1, false}};
    const auto open = histogram(kind, none_left, 600, tried);
    EXPECT_EQ(open[1], 0);
    EXPECT_GT(open[0], 200);
    EXPECT_GT(open[2], 200);
    const std::array<std::uint32_t, 3> all{0, 1, 2};
    EXPECT_GT(histogram(kind, none_left, 600, all)[1], 100);
  }
}

TEST(Balancer, RoundRobinTakesTurnsAndSkips) {
  Balancer balancer(Balance::round_robin, 2);
  Random random(1);
  const Loads loads{{0, 1, true}, {0, 1, false}, {0, 1, true}, {0, 1, true}};
  std::vector<std::uint32_t> order;
  for (int i = 0; i < 6; ++i) {
    order.push_back(*balancer.pick(InstanceLoadSpan{loads}, random));
  }
  EXPECT_EQ(order, (std::vector<std::uint32_t>{2, 3, 0, 2, 3, 0}));
}

TEST(Balancer, RandomAndTiesAreUniform) {
  Loads loads(10);
  loads[3].eligible = loads[7].eligible = false;
  for (const Balance kind : {Balance::random, Balance::least_request, Balance::weighted}) {
    const auto hits = histogram(kind, loads, 80'000);
    for (std::size_t i = 0; i < hits.size(); ++i) {
      if (i == 3 || i == 7) {
        EXPECT_EQ(hits[i], 0);
      } else {
        EXPECT_NEAR(hits[i], 10'000, 500) << i;  // five standard deviations of 94
      }
    }
  }
}

TEST(Balancer, WeightsAreKept) {
  const Loads loads{{0, 1, true}, {0, 3, true}, {0, 0, true}};
  const auto hits = histogram(Balance::weighted, loads, 40'000);
  EXPECT_NEAR(hits[0], 10'000, 500);
  EXPECT_NEAR(hits[1], 30'000, 500);
  EXPECT_EQ(hits[2], 0);
  const Loads weightless{{0, 0, true}, {0, 0, true}};
  EXPECT_GT(histogram(Balance::weighted, weightless, 1000)[1], 400);
}

TEST(Balancer, LeastRequestTakesTheLighterOfTwo) {
  const Loads two{{5, 1, true}, {4, 1, true}};
  EXPECT_EQ(histogram(Balance::least_request, two, 500)[1], 500);
  const Loads weighted{{5, 3, true}, {2, 1, true}};  // 6/3 against 3/1
  EXPECT_EQ(histogram(Balance::least_request, weighted, 500)[0], 500);
}

// Balls into bins: the fullest bin is ln ln n / ln 2 above the mean with two choices (Azar et al. 1999),
// about ln n / ln ln n with one.
TEST(Balancer, TwoChoicesKeepTheLongestQueueShort) {
  const auto longest = [](Balance kind) {
    Loads loads(1000);
    Balancer balancer(kind);
    Random random(5);
    for (int i = 0; i < 1000; ++i) {
      ++loads[*balancer.pick(InstanceLoadSpan{loads}, random)].in_flight;
    }
    return std::ranges::max(loads, {}, &InstanceLoad::in_flight).in_flight;
  };
  EXPECT_LE(longest(Balance::least_request), 4U);
  EXPECT_GE(longest(Balance::random), 5U);
}

}  // namespace
}  // namespace flotilla::resilience
