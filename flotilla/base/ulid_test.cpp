#include "flotilla/base/ulid.hpp"

#include <gtest/gtest.h>

namespace flotilla {
namespace {

TEST(Ulid, TextReadsBackAndSortsByTime) {
  Random random(7);
  Ulid before;
  for (std::int64_t ms = 1; ms < 2'000'000'000'000; ms *= 3) {
    const Ulid id = Ulid::make({ms * 1'000'000}, random);
    EXPECT_EQ(id.text().size(), 26U);
    EXPECT_EQ(Ulid::parse(id.text()), id);
    EXPECT_LT(before, id);
    EXPECT_LT(before.text(), id.text());
    before = id;
  }
}

TEST(Ulid, RefusesWhatItDoesNotWrite) {
  EXPECT_FALSE(Ulid::parse(""));
  EXPECT_FALSE(Ulid::parse("81JDDK7V8G0000000000000001")) << "more than 128 bits";
  EXPECT_FALSE(Ulid::parse("01JDDK7V8GU000000000000001")) << "no digit";
  EXPECT_TRUE(Ulid::parse("01jddk7v8g0000000000000001"));
}

}  // namespace
}  // namespace flotilla
