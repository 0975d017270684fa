#include "flotilla/cqrs/core/page_token.hpp"

#include <algorithm>
#include <cctype>

#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

TEST(PageToken, NamesAnyRow) {
  for (const journal::RowName& name :
       {journal::RowName{"", ""}, journal::RowName{"a", ""}, journal::RowName{"\xff\xfe~?/", "b"},
        journal::RowName{std::string("\0x", 2), std::string(512, 'z')}}) {
    const std::string token = page_token(name);
    EXPECT_TRUE(std::ranges::all_of(token, [](unsigned char c) {
      return std::isalnum(c) || c == '-' || c == '_';
    })) << token;
    EXPECT_EQ(parse_page_token(token), name);
  }
}

TEST(PageToken, RefusesOthers) {
  EXPECT_FALSE(parse_page_token("").has_value());
  EXPECT_FALSE(parse_page_token("!").has_value());
  EXPECT_FALSE(parse_page_token("_w").has_value());
  EXPECT_FALSE(parse_page_token(page_token({std::string(600, 'k'), ""})).has_value());
}

}  // namespace
}  // namespace flotilla::cqrs
