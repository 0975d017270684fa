#include "flotilla/base/iso_time.hpp"

#include <gtest/gtest.h>

namespace flotilla {
namespace {

TEST(IsoTime, IsUtcToTheMillisecond) {
  EXPECT_EQ(iso_time(WallTime{0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(WallTime{1'709'251'199'999'999'999}), "2024-02-29T23:59:59.999Z");
  EXPECT_EQ(iso_time(WallTime{1'709'251'200'000'000'000}), "2024-03-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(WallTime{-1}), "1969-12-31T23:59:59.999Z");
}

TEST(IsoTime, Appends) {
  std::string out = "at ";
  append_iso_time(out, WallTime{1'000'000});
  EXPECT_EQ(out, "at 1970-01-01T00:00:00.001Z");
}

}  // namespace
}  // namespace flotilla
