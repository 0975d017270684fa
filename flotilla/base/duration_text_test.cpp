#include "flotilla/base/duration_text.hpp"

#include <gtest/gtest.h>

namespace flotilla {
namespace {

using namespace std::chrono_literals;

TEST(DurationText, TakesTheLargestUnitThatDivides) {
  EXPECT_EQ(show_duration(7 * 24h), "7d");
  EXPECT_EQ(show_duration(24h), "1d");
  EXPECT_EQ(show_duration(25h), "25h");
  EXPECT_EQ(show_duration(90s), "90s");
  EXPECT_EQ(show_duration(60s), "1m");
  EXPECT_EQ(show_duration(250ms), "250ms");
  EXPECT_EQ(show_duration(1500us), "1500us");
  EXPECT_EQ(show_duration(1500ns), "1500ns");
  EXPECT_EQ(show_duration(0s), "0us");
  EXPECT_EQ(show_duration(-5s), "-5s");
}

}  // namespace
}  // namespace flotilla
