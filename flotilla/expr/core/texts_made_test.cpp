#include "flotilla/expr/core/texts_made.hpp"

#include <gtest/gtest.h>

namespace flotilla::expr {
namespace {

std::string types(std::string_view source) {
  constexpr std::string_view variables[] = {"command"};
  const auto program = compile(source, variables);
  if (!program) {
    return "refused: " + program.error().message;
  }
  std::string all;
  for (const std::string& text : texts_made(*program, "type")) {
    all += (all.empty() ? "" : " ") + text;
  }
  return all;
}

TEST(TextsMade, FindsWhatStandsInTheText) {
  EXPECT_EQ(types(R"([{type: "a", data: $command}])"), "a");
  EXPECT_EQ(types(R"([{"type": "a"}, {type: "b", data: {type: "x"}}])"), "a b");
  EXPECT_EQ(types(R"(if . then {error: {code: "no", type: "x"}} else [{type: "a"}] end)"), "a");
  EXPECT_EQ(types(R"([range(3) | {type: (if . > 1 then "a" else "b" end), data: .}])"), "a b");
  EXPECT_EQ(types(R"(.n as $n | [{type: ("a", "b")}, {type: ($n // "c")}])"), "a b c");
  EXPECT_EQ(types(R"({type: ("x" | "a")} | [.])"), "a");
  EXPECT_EQ(types(R"(reduce .[] as $i ([]; . + [{type: "a"}]) | map(select(true)) + [{type: "b"}])"), "a b");
  EXPECT_EQ(types(R"(try [{type: "a"}] catch [{type: "b"}])"), "a b");
  EXPECT_EQ(types(R"([limit(2; {type: "a"}, {type: (1 as $i | "b")})] | sort_by(.x))"), "a b");
  EXPECT_EQ(types(R"(first({type: "a"}))"), "a");
}

TEST(TextsMade, LeavesOutWhatIsComputed) {
  EXPECT_EQ(types("[]"), "");
  EXPECT_EQ(types(R"x([{type: $command.type}, {type: "a\(.x)"}, {type: ("a" + "b")}, {type: 5}])x"), "");
  EXPECT_EQ(types(R"([{("ty" + "pe"): "a"}, .type, {kind: "a"}])"), "");
}

}  // namespace
}  // namespace flotilla::expr
