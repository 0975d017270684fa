#include "flotilla/base/base64.hpp"

#include <gtest/gtest.h>

namespace flotilla {
namespace {

// RFC 4648, section 10.
TEST(Base64, KnownTexts) {
  const std::pair<std::string_view, std::string_view> pairs[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"},
                                                                 {"\xff\xfe", "//4="}};
  for (const auto& [bytes, text] : pairs) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, RefusesOtherForms) {
  for (const char* const text : {"Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm 8=", "Zg==Zg==", "Zm-_"}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

}  // namespace
}  // namespace flotilla
