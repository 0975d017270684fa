#include "flotilla/http/core/idempotency_key.hpp"

#include <gtest/gtest.h>

namespace flotilla::http {
namespace {

TEST(IdempotencyKey, IsTheSameQuotedAndBare) {
  EXPECT_EQ(read_idempotency_key({}).value(), "");
  EXPECT_EQ(read_idempotency_key({"k-1"}).value(), "k-1");
  EXPECT_EQ(read_idempotency_key({" \"k-1\" "}).value(), "k-1");
  EXPECT_EQ(read_idempotency_key({R"("a \"b\" \\ c")"}).value(), R"(a "b" \ c)");
  EXPECT_EQ(read_idempotency_key({std::string(kMaxIdempotencyKey, 'k')}).value().size(), kMaxIdempotencyKey);
}

TEST(IdempotencyKey, IsReadStrictly) {
  EXPECT_EQ(read_idempotency_key({"a", "a"}).error(), "Idempotency-Key stands twice; send one key");
  const std::string longer(kMaxIdempotencyKey + 1, 'k');
  for (const std::string_view wrong :
       {std::string_view(""), std::string_view("\"\""), std::string_view("a b"), std::string_view("a,b"),
        std::string_view("\"a"), std::string_view("\"a\"b\""), std::string_view("\"\\n\""),
        std::string_view("\"\xc3\xa9\""), std::string_view(longer)}) {
    EXPECT_FALSE(read_idempotency_key({wrong}).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace flotilla::http
