#include "flotilla/expr/core/reads.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/expr/program_generator.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

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

// `value`, which stands at `path`, without the members that no path of `reads` leads to or into.
json::Value pruned(const json::Value& value, const MemberPath& path, const std::set<MemberPath>& reads) {
  const auto begins = [](const MemberPath& a, const MemberPath& b) {
    return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
  };
  const bool whole = std::ranges::any_of(reads, [&](const MemberPath& read) { return begins(read, path); });
  if (whole || !value.is_object()) {
    return value;
  }
  json::Value left = json::Value::object();
  for (const json::Member& member : value.members()) {
    MemberPath below = path;
    below.emplace_back(member.key());
    if (std::ranges::any_of(
            reads, [&](const MemberPath& read) { return begins(below, read) || begins(read, below); })) {
      left.set(member.key(), pruned(member.value, below, reads));
    }
  }
  return left;
}

// What is not read makes no difference to the outputs. Programs that catch errors are left out: an error may
// come of a member that is looked at and not used.
TEST(MembersRead, IsAnUpperBoundForRandomPrograms) {
  constexpr std::uint64_t kSeed = 20'261'125;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  ProgramGenerator generator(kSeed);
  std::size_t compared = 0;
  std::size_t smaller = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string source = generator.program(1 + i % 4);
    const auto input = json::parse(generator.input());
    const auto program = compile(source);
    if (!program || !input || source.contains("try") || source.contains('?')) {
      continue;
    }
    const auto before = evaluate(*program, *input);
    if (!before) {
      continue;
    }
    const json::Value less = pruned(*input, {}, members_read(*program));
    const auto after = evaluate(*program, less);
    ASSERT_TRUE(after) << source << " on " << json::write(less);
    ASSERT_EQ(*before, *after) << source << " on " << json::write(*input) << " and " << json::write(less);
    ++compared;
    smaller += json::write(less).size() < json::write(*input).size() ? 1 : 0;
  }
  EXPECT_GT(compared, 4'000U);
  EXPECT_GT(smaller, compared / 10);  // else it would prove nothing
}

}  // namespace
}  // namespace flotilla::expr
