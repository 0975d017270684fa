#include "flotilla/http/retry_after.hpp"

#include <gtest/gtest.h>

namespace flotilla::http {
namespace {

TEST(RetryAfter, ReadsSecondsAndDates) {
  // 1994-11-06 08:49:07 UTC
  const WallTime now{784'111'747LL * 1'000'000'000};
  EXPECT_EQ(read_retry_after("120", now), std::chrono::seconds(120));
  EXPECT_EQ(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), std::chrono::seconds(30));
  EXPECT_EQ(read_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), std::chrono::seconds(0));
  EXPECT_EQ(read_retry_after("soon", now), std::nullopt);
  EXPECT_EQ(read_retry_after("-1", now), std::nullopt);
  EXPECT_EQ(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT x", now), std::nullopt);
}

}  // namespace
}  // namespace flotilla::http
