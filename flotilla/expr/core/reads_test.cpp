#include "flotilla/expr/core/reads.hpp"

#include <gtest/gtest.h>

namespace flotilla::expr {
namespace {

// `.a.b .c`: the paths in order, `.` for the whole input.
std::string reads(std::string_view source) {
  constexpr std::string_view variables[] = {"v"};
  const auto program = compile(source, variables);
  if (!program) {
    return "refused: " + program.error().message;
  }
  std::string all;
  for (const MemberPath& path : members_read(*program)) {
    all += all.empty() ? "" : " ";
    for (const std::string& key : path) {
      all += "." + key;
    }
    all += path.empty() ? "." : "";
  }
  return all;
}

TEST(MembersRead, FollowsPathsToTheirEnd) {
  EXPECT_EQ(reads("."), ".");
  EXPECT_EQ(reads("1"), "");
  EXPECT_EQ(reads("$v.a"), "");
  EXPECT_EQ(reads(".a.b"), ".a.b");
  EXPECT_EQ(reads(R"(.a["b"]?."c")"), ".a.b.c");
  EXPECT_EQ(reads(".a | .b | .c"), ".a.b.c");
  EXPECT_EQ(reads(".a.b.c.d.e.f"), ".a.b.c.d");  // to kMaxReadDepth
  EXPECT_EQ(reads(".a | 1"), "");                // looked at, but not used
}

TEST(MembersRead, CountsWhatCannotBeFollowedAsReadWhole) {
  EXPECT_EQ(reads(".a[.b]"), ".a .b");
  EXPECT_EQ(reads(".a[0].b"), ".a");
  EXPECT_EQ(reads(".a[1:.b]"), ".a .b");
  EXPECT_EQ(reads(".a[] | .b"), ".a");
  EXPECT_EQ(reads(".[]"), ".");
  EXPECT_EQ(reads("{x: .} | .x.a"), ".");
  EXPECT_EQ(reads("[.a.b, .c] | .[0].d"), ".a.b .c");
}

TEST(MembersRead, SeesThroughChoices) {
  EXPECT_EQ(reads("(.a // .b).c"), ".a.c .b.c");
  EXPECT_EQ(reads("(.a, .b) | .c"), ".a.c .b.c");
  EXPECT_EQ(reads("if .a == 1 then .b else .c end | .d"), ".a .b.d .c.d");
  EXPECT_EQ(reads("try .a catch .b | .c"), ".a.c");  // the catch sees the error
  EXPECT_EQ(reads("first(.a, .b) | .c"), ".a.c .b.c");
  EXPECT_EQ(reads("last(.a) | .c"), ".a.c");
  EXPECT_EQ(reads("limit(.n; .a) | .c"), ".a.c .n");
  EXPECT_EQ(reads(".a | select(.b) | .c"), ".a.b .a.c");
}

TEST(MembersRead, FollowsVariables) {
  EXPECT_EQ(reads(".a as $x | $x.b"), ".a.b");
  EXPECT_EQ(reads(". as $all | .a | $all.b"), ".b");
  EXPECT_EQ(reads(". as {a: $x, b: {c: $y}} | [$x.d, $y]"), ".a.d .b.c");
  EXPECT_EQ(reads(". as {$a} | $a.b"), ".a.b");
  EXPECT_EQ(reads(". as {$a: {b: $c}} | [$a.x, $c]"), ".a.b .a.x");
  EXPECT_EQ(reads(". as {(.k): $x} | $x"), ". .k");
  EXPECT_EQ(reads(".a as [$x] | $x.b"), ".a");
  EXPECT_EQ(reads("reduce .a[] as $x (.b; . + $x.c)"), ".a .b");
}

TEST(MembersRead, KnowsWhatFunctionsLookAt) {
  EXPECT_EQ(reads(R"x({a, b: .c.d, "e": "\(.f) and \(.g)"})x"), ".a .c.d .f .g");
  EXPECT_EQ(reads(".a + .b * -.c"), ".a .b .c");
EXPECT_EQ(reads(".a and .b or (.c | not)"), ".a .b .c");
EXPECT_EQ(reads(".a | length"), ".a");
EXPECT_EQ(reads("length"), ".");
EXPECT_EQ(reads(".a | split(\",\")"), ".a");
EXPECT_EQ(reads(".a | map(.b)"), ".a");
EXPECT_EQ(reads(".a | sort_by(.b)"), ".a");
EXPECT_EQ(reads(".a | any(.b)"), ".a");
EXPECT_EQ(reads("any(.a; .b)"), ".a .a.b");
EXPECT_EQ(reads(".a | del(.b)"), ".a .a.b");
EXPECT_EQ(reads(".a | with_entries(.value)"), ".a");
EXPECT_EQ(reads("[range(.a; .b)]"), ".a .b");
EXPECT_EQ(reads("if .a then error(\"no\") else .b end"), ".a .b");
EXPECT_EQ(reads("error"), ".");
EXPECT_EQ(reads("empty"), "");
}

// A value of more places than are followed counts as read at each of them.
TEST(MembersRead, BoundsThePlacesOfAValue) {
  std::string choice = ".a0";
  std::size_t count = 1;
  for (; count <= kMaxReadPlaces; ++count) {
    choice += " // .a" + std::to_string(count);
  }
  const auto program = compile("(" + choice + ") | .z");
  ASSERT_TRUE(program);
  const auto found = members_read(*program);
  EXPECT_EQ(found.size(), count);
  EXPECT_TRUE(found.contains(MemberPath{"a0"}));
}

}  // namespace
}  // namespace flotilla::expr
