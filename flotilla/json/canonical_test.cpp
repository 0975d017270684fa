#include "flotilla/json/canonical.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::json {
namespace {

std::string canonical_text(std::string_view text) { return write(canonical(*parse(text))); }

TEST(JsonCanonical, OrdersMembersAtEveryLevelAndNothingElse) {
  EXPECT_EQ(canonical_text(R"({"b":1,"a":[{"d":1.0,"c":[2,1]}],"B":null,"":true})"),
            R"({"":true,"B":null,"a":[{"c":[2,1],"d":1.0}],"b":1})");
  EXPECT_EQ(canonical_text(R"({"é":1,"z":2,"aa":3,"a":4})"), R"({"a":4,"aa":3,"z":2,"é":1})");
  EXPECT_EQ(canonical_text("[]"), "[]");
  EXPECT_EQ(canonical_text("{}"), "{}");
  EXPECT_EQ(canonical_text("1.10"), "1.10");
}

}  // namespace
}  // namespace flotilla::json
