#include "flotilla/base/counter.hpp"

#include <gtest/gtest.h>

namespace flotilla {
namespace {

TEST(Histogram, PutsEachValueUnderItsUpperBound) {
  for (std::uint64_t us :
       {0ULL, 1ULL, 2ULL, 3ULL, 4ULL, 5ULL, 6ULL, 7ULL, 100ULL, 4095ULL, 4096ULL, 60'000'000ULL}) {
    const std::size_t i = Histogram::index_of(us);
    EXPECT_LE(us, Histogram::upper_bound_us(i)) << us;
    if (i > 0) {
      EXPECT_GT(us, Histogram::upper_bound_us(i - 1)) << us;
    }
  }
}

TEST(Histogram, KeepsHugeAndNegativeDurations) {
  Histogram h;
  h.record(std::chrono::hours(24));
  h.record(Duration{-5});
  EXPECT_EQ(h.bucket(Histogram::kBuckets - 1), 1U);
  EXPECT_EQ(h.bucket(0), 1U);
  EXPECT_EQ(h.count(), 2U);
}

}  // namespace
}  // namespace flotilla
