#include "flotilla/base/text.hpp"

#include <gtest/gtest.h>

namespace flotilla {
namespace {

TEST(HexDigit, BothCasesAndNothingElse) {
  for (int c = -128; c < 128; ++c) {
    const std::size_t at = std::string_view{"0123456789abcdef"}.find(ascii_lower(static_cast<char>(c)));
    EXPECT_EQ(hex_digit(static_cast<char>(c)), at == std::string_view::npos ? -1 : static_cast<int>(at)) << c;
  }
}

TEST(Text, ComparesWithoutAsciiCase) {
  EXPECT_TRUE(iequals("Content-Length", "content-LENGTH"));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("[", "{"));  // differ by the case bit, but are no letters
}

TEST(Text, ParsesWholeNumbersOnly) {
  EXPECT_EQ(parse_int<int>("12"), 12);
  EXPECT_EQ(parse_int<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(parse_int<int>("12 "), std::nullopt);
  EXPECT_EQ(parse_int<int>(""), std::nullopt);
  EXPECT_EQ(parse_int<unsigned char>("256"), std::nullopt);
}

TEST(Text, HintsTheNearestName) {
  constexpr std::array<std::string_view, 3> known{"timeout", "retry", "bulkhead"};
  EXPECT_EQ(nearest("timeuot", known), "timeout");
  EXPECT_EQ(nearest("rety", known), "retry");
  EXPECT_EQ(nearest("elephant", known), std::nullopt);
}

TEST(Text, TrimsSpacesAndTabs) {
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim("  "), "");
}

}  // namespace
}  // namespace flotilla
