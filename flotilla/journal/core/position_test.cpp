#include "flotilla/journal/core/position.hpp"

#include <gtest/gtest.h>

namespace flotilla::journal {
namespace {

TEST(Position, ReadsBackWhatItWrote) {
  for (const std::uint64_t n :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{9'223'372'036'854'775'807}}) {
    const auto back = Position::parse(Position(n).text());
    ASSERT_TRUE(back.has_value()) << n;
    EXPECT_EQ(*back, Position(n));
    const Position elsewhere(n, 63);
    EXPECT_EQ(Position::parse(elsewhere.text()), elsewhere);
  }
  EXPECT_EQ(Position().text(), "0");
  EXPECT_EQ(Position(17).text(), "0-17");
  EXPECT_EQ(Position(17, 5).text(), "5-17");
  EXPECT_EQ(Position(0, 5).text(), "5-0");
}

TEST(Position, RefusesWhatItNeverWrote) {
  for (const std::string_view text : {"", "1", "0-", "0-0", "0-01", "0-+1", "0--1", "64-1", "0-1 ", "0-1,1-2",
                                      "-1", "1-", "01-1", "+1-1", "0-9223372036854775808", "latest"}) {
    EXPECT_FALSE(Position::parse(text).has_value()) << text;
  }
  EXPECT_EQ(Position::parse("x").error().message,
            "\"x\" is no position: give 0, or one that an answer named");
}

TEST(Position, Covers) {
  EXPECT_TRUE(Position(2).covers(Position(2)));
  EXPECT_TRUE(Position(2).covers(Position()));
  EXPECT_FALSE(Position(2).covers(Position(3)));
  EXPECT_FALSE(Position(2, 1).covers(Position(1, 2)));
  EXPECT_TRUE(Position(2, 1).covers(Position(1, 1)));
  EXPECT_TRUE(Position(2, 1).covers(Position(0, 2)));
}

}  // namespace
}  // namespace flotilla::journal
