#include "flotilla/call/core/text_template.hpp"

#include <gtest/gtest.h>

namespace flotilla::call {
namespace {

std::string shape(std::string_view text) {
  const auto parts = parse_template(text);
  if (!parts) {
    return parts.error().message;
  }
  std::string shape;
  for (const TemplatePart& part : *parts) {
    const char* kind = part.kind == TemplatePart::Kind::literal     ? "L"
                       : part.kind == TemplatePart::Kind::parameter ? "P"
                                                                    : "E";
    shape +=
        (shape.empty() ? "" : " ") + std::string(kind) + std::to_string(part.column) + "<" + part.text + ">";
  }
  return shape;
}

TEST(TextTemplate, Parts) {
  EXPECT_EQ(shape(""), "");
  EXPECT_EQ(shape("plain"), "L1<plain>");
  EXPECT_EQ(shape("users/{id}/x"), "L1<users/> P8<id> L11</x>");
  EXPECT_EQ(shape("order:{.input.order_id}"), "L1<order:> E8<.input.order_id>");
  EXPECT_EQ(shape("{a}{b_1}{$query.q}"), "P2<a> P5<b_1> E10<$query.q>");
}

TEST(TextTemplate, AnExpressionReachesToItsBalancingBrace) {
  EXPECT_EQ(shape("{.a|{b: {c: .}}}x"), "E2<.a|{b: {c: .}}> L17<x>");
  EXPECT_EQ(shape(R"({.["}"]}x)"), R"(E2<.["}"]> L9<x>)");
  EXPECT_EQ(shape(R"({.["\"}"]}x)"), R"(E2<.["\"}"]> L11<x>)");
  EXPECT_EQ(shape(R"-({."a\(.b|"}\("{")")c"}x)-"), R"-(E2<."a\(.b|"}\("{")")c"> L23<x>)-");
}

TEST(TextTemplate, Errors) {
  EXPECT_EQ(shape("a{b"), "'a{b', column 2: this '{' is never closed");
  EXPECT_EQ(shape("a}b"), "'a}b', column 2: a '}' without '{'");
  EXPECT_EQ(shape("a{.[\"}b"), "'a{.[\"}b', column 2: this '{' is never closed");
  EXPECT_EQ(shape("a{.[\"\\("), "'a{.[\"\\(', column 2: this '{' is never closed");
  for (const char* text : {"{}", "{1a}", "{a-b}", "{ a}", "{a|.b}"}) {
    EXPECT_EQ(shape(text),
              "'" + std::string(text) +
                  "', column 1: write {name} for a parameter of the path, or {.expression} for a value");
  }
}

TEST(TextTemplate, Limits) {
  EXPECT_EQ(parse_template(std::string(kMaxTemplateBytes + 1, 'a')).error().code, Errc::limit);
  std::string holes;
  for (std::size_t i = 0; i < kMaxTemplateHoles; ++i) {
    holes += "{a}";
  }
  EXPECT_TRUE(parse_template(holes));
  EXPECT_EQ(parse_template(holes + "{a}").error().code, Errc::limit);
  std::string nested = "{.";
  for (int i = 0; i < 2000; ++i) {
    nested += "\"\\(";  // must not recurse without bound
  }
  EXPECT_FALSE(parse_template(nested));
}

}  // namespace
}  // namespace flotilla::call
