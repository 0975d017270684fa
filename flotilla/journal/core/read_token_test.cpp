#include "flotilla/journal/core/read_token.hpp"

#include <gtest/gtest.h>

namespace flotilla::journal {
namespace {

TEST(ReadToken, IsTheTextOfItsPositions) {
  ReadToken token(64);
  EXPECT_EQ(token.text(), "0");
  token.move_to(Position(8, 63));
  token.move_to(Position(12, 3));
  EXPECT_EQ(token.text(), "3-12.63-8");
  EXPECT_EQ(ReadToken::parse("3-12.63-8", 64), token);
  EXPECT_EQ(ReadToken::parse("0", 64), ReadToken(64));
}

TEST(ReadToken, TakesThePositionOfAPublication) {
  ReadToken behind(1);
  behind.move_to(Position(17));
  EXPECT_EQ(ReadToken::parse(Position(17).text(), 1), behind);
}

TEST(ReadToken, GoesForwardByShard) {
  ReadToken token(4);
  token.advance_to(Position(5, 1));
  token.advance_to(Position(3, 1));
  EXPECT_EQ(token.text(), "1-5");
  EXPECT_TRUE(token.covers(Position(5, 1)));
  EXPECT_FALSE(token.covers(Position(6, 1)));
  EXPECT_FALSE(token.covers(Position(1, 2)));
  EXPECT_FALSE(token.covers(Position(1, 9))) << "a shard that the journal does not have";
  EXPECT_TRUE(token.covers(Position()));
  ReadToken other(4);
  other.move_to(Position(2, 1));
  other.move_to(Position(1, 2));
  EXPECT_FALSE(token.covers(other));
  EXPECT_FALSE(other.covers(token));
  token.advance_to(other);
  EXPECT_EQ(token.text(), "1-5.2-1");
  EXPECT_TRUE(token.covers(other));
  EXPECT_EQ(token.total(), 6U);
}

TEST(ReadToken, RefusesWhatItDidNotWrite) {
  for (const char* const text :
       {"", "latest", "17", "0-0", "0-17.", ".0-17", "0-17.0-18", "5-1.3-1", "0-1.64-1", "0-1..1-1", "-1"}) {
    const auto token = ReadToken::parse(text, 64);
    ASSERT_FALSE(token) << text;
    EXPECT_EQ(token.error().code, Errc::invalid);
  }
  EXPECT_FALSE(ReadToken::parse("1-5", 1)) << "a shard that the journal does not have";
}

}  // namespace
}  // namespace flotilla::journal
