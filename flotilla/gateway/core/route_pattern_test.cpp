#include "flotilla/gateway/core/route_pattern.hpp"

#include <gtest/gtest.h>

namespace flotilla::gateway {
namespace {

std::string shape(std::string_view text) {
  const auto pattern = RoutePattern::parse(text);
  if (!pattern) {
    return pattern.error().message;
  }
  std::string shape;
  for (const PatternSegment& segment : pattern->segments()) {
    shape += segment.kind == PatternSegment::Kind::literal ? "L(" : "P(";
    shape += segment.text + ")";
  }
  shape += pattern->tail() == RoutePattern::Tail::rest    ? " rest"
           : pattern->tail() == RoutePattern::Tail::regex ? " regex"
                                                          : "";
  for (const std::string& name : pattern->parameters()) {
    shape += " " + name;
  }
  return shape;
}

TEST(RoutePattern, Templates) {
  EXPECT_EQ(shape("/"), "L()");
  EXPECT_EQ(shape("/a/b"), "L(a)L(b)");
  EXPECT_EQ(shape("/a/"), "L(a)L()");
  EXPECT_EQ(shape("/users/{id}/orders/{order_id}"), "L(users)P(id)L(orders)P(order_id) id order_id");
  EXPECT_EQ(shape("/**"), " rest");
  EXPECT_EQ(shape("/p/{x}/**"), "L(p)P(x) rest x");
  EXPECT_EQ(shape("/café/%41%2f/a b"), "L(caf%C3%A9)L(A%2F)L(a%20b)");
  EXPECT_EQ(shape("/a%2Fb;v=1/~x"), "L(a%2Fb;v=1)L(~x)");
}

TEST(RoutePattern, RegexesRankBehindTheirLiteralSegments) {
  EXPECT_EQ(shape("~/api/v[0-9]+/.*"), "L(api) regex");
  EXPECT_EQ(shape("~^/api/v1/x$"), "L(api)L(v1) regex");
  EXPECT_EQ(shape("~/api/(?P<version>v[0-9]+)/(x|y)"), "L(api) regex version");
  EXPECT_EQ(shape("~/a\\.b/c/.*"), "L(a.b)L(c) regex");
  EXPECT_EQ(shape("~/api/?x"), " regex");
  EXPECT_EQ(shape("~/a/b|/c/d"), " regex");
  EXPECT_EQ(shape("~/a/[|]/x"), "L(a) regex");
  EXPECT_EQ(shape("~/a/[]|]/x"), "L(a) regex");
  EXPECT_EQ(shape("~/a/\\|/x"), "L(a)L(|) regex");
  EXPECT_EQ(shape("~(?i)/api/x"), " regex");
  EXPECT_EQ(shape("~\\Q/a|\\E/b/c"), " regex");
  EXPECT_EQ(shape("~.*\\.php"), " regex");
}

TEST(RoutePattern, ErrorsNameTheColumnAndTheWayOut) {
  EXPECT_EQ(shape("users"),
            "path 'users', column 1: a path begins with '/' (or with '~' for a regular expression)");
  EXPECT_EQ(shape(""), "path '', column 1: a path begins with '/' (or with '~' for a regular expression)");
  EXPECT_EQ(shape("/a//b"), "path '/a//b', column 4: an empty segment; write a single '/'");
  EXPECT_EQ(shape("/a//**"), "path '/a//**', column 4: an empty segment; write a single '/'");
  EXPECT_EQ(shape("/a/../b"),
            "path '/a/../b', column 4: a request's path has no dot segments, so this never matches");
  EXPECT_EQ(shape("/a/x{id}"),
            "path '/a/x{id}', column 5: a parameter is a whole segment, as in /users/{id}; write ~REGEX for "
            "a part of one");
  EXPECT_EQ(shape("/a/{id"),
            "path '/a/{id', column 4: a parameter is a whole segment, as in /users/{id}; write ~REGEX for a "
            "part of one");
  EXPECT_EQ(shape("/a/{1}"),
            "path '/a/{1}', column 5: a parameter's name is letters, digits and '_', at most 64, and no "
            "digit first");
  EXPECT_EQ(shape("/{a}/{a}"), "path '/{a}/{a}', column 7: the parameter 'a' stands twice");
  EXPECT_EQ(
      shape("/a/**/b"),
      "path '/a/**/b', column 4: '/**' stands only at the end; write {name} for one segment, or ~REGEX");
  EXPECT_EQ(shape("/a?b"), "path '/a?b', column 3: a route matches the path; the query is not part of it");
  for (const char* path : {"/a%2", "/a%zz", "/a%00", "/a\x01"}) {
    EXPECT_EQ(shape(path), "path '" + std::string(path) +
                               "', column 2: this segment has a control character, or a "
                               "'%' without two hexadecimal digits");
  }
  EXPECT_EQ(shape("~/a("), "path '~/a(', column 2: not an RE2 expression: missing ): /a(");
}

TEST(RoutePattern, Limits) {
  std::string path;
  for (std::size_t i = 0; i < kMaxParameters; ++i) {
    path += "/{p" + std::to_string(i) + "}";
  }
  EXPECT_TRUE(RoutePattern::parse(path));
  EXPECT_FALSE(RoutePattern::parse(path + "/{more}"));
  std::string deep;
  for (std::size_t i = 0; i < kMaxPatternSegments; ++i) {
    deep += "/a";
  }
  EXPECT_TRUE(RoutePattern::parse(deep));
  EXPECT_FALSE(RoutePattern::parse(deep + "/a"));
  EXPECT_EQ(RoutePattern::parse("/" + std::string(kMaxPatternBytes, 'a')).error().code, Errc::limit);
  std::string groups = "~/";
  for (std::size_t i = 0; i <= kMaxParameters; ++i) {
    groups += "(a)";
  }
  EXPECT_FALSE(RoutePattern::parse(groups));
}

}  // namespace
}  // namespace flotilla::gateway
