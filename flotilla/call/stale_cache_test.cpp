#include "flotilla/call/stale_cache.hpp"

#include <gtest/gtest.h>

namespace flotilla::call {
namespace {

using namespace std::chrono_literals;

http::Response text(std::string body) { return {.status = 200, .body = std::move(body)}; }

TEST(StaleCache, GivesWhatIsYoungEnough) {
  StaleCache cache;
  const Instant t0(1h);
  cache.store("a", text("1"), t0);
  ASSERT_NE(cache.find("a", 10s, t0 + 10s), nullptr);
  EXPECT_EQ(cache.find("a", 10s, t0 + 10s)->response.body, "1");
  EXPECT_EQ(cache.find("a", 10s, t0 + 11s), nullptr);
  EXPECT_EQ(cache.find("b", 10s, t0), nullptr);
}

TEST(StaleCache, ReplacesAndForgetsTheOldest) {
  StaleCache cache;
  const Instant t0(1h);
  for (std::size_t i = 0; i < StaleCache::kMostEntries; ++i) {
    cache.store(std::to_string(i), text("x"), t0);
  }
  cache.store("0", text("again"), t0);
  EXPECT_EQ(cache.size(), StaleCache::kMostEntries);
  cache.store("new", text("x"), t0);
  EXPECT_EQ(cache.size(), StaleCache::kMostEntries);
  EXPECT_EQ(cache.find("1", 1s, t0), nullptr);
  ASSERT_NE(cache.find("0", 1s, t0), nullptr);
  EXPECT_EQ(cache.find("0", 1s, t0)->response.body, "again");
}

TEST(StaleCache, DoesNotKeepLongBodies) {
  StaleCache cache;
  cache.store("a", text(std::string(StaleCache::kLongestBody + 1, 'x')), Instant(1h));
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace flotilla::call
