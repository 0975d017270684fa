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

TEST(IsoTime, ReadsWhatOthersWrite) {
  const std::int64_t second = 1'764'000'000;
  const auto read = [](std::string_view text) {
    return parse_iso_time(text).value_or(WallTime{-1}).ns_since_epoch;
  };
  EXPECT_EQ(read("2025-11-24T16:00:00Z"), second * 1'000'000'000);
  EXPECT_EQ(read("2025-11-24t16:00:00.5z"), second * 1'000'000'000 + 500'000'000);
  EXPECT_EQ(read("2025-11-24T16:00:00.1234567899Z"), second * 1'000'000'000 + 123'456'789);
  EXPECT_EQ(read("2025-11-24T17:30:00+01:30"), second * 1'000'000'000);
  EXPECT_EQ(read("2025-11-24T10:00:00-06:00"), second * 1'000'000'000);
  EXPECT_EQ(read("2025-11-24T15:59:60Z"), second * 1'000'000'000);
  EXPECT_EQ(read(iso_time({second * 1'000'000'000 + 7'000'000})), second * 1'000'000'000 + 7'000'000);
  for (const std::string_view wrong :
       {"", "2025", "2025-11-24", "2025-11-24T16:00Z", "2025-11-24T16:00:00", "2025-11-24 16:00:00Z",
        "2025-02-29T16:00:00Z", "2025-13-01T16:00:00Z", "2025-11-24T24:00:00Z", "2025-11-24T16:60:00Z",
        "2025-11-24T16:00:00.Z", "2025-11-24T16:00:00+1:00", "2025-11-24T16:00:00+01:00x",
        "2025-11-24T16:00:00+24:00", "-025-11-24T16:00:00Z", "1677-11-24T16:00:00Z", "2262-01-01T00:00:00Z",
        "2025-11-24T16:00:00Zx"}) {
    EXPECT_FALSE(parse_iso_time(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace flotilla
