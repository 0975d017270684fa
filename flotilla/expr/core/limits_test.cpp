// What bounds a program: text, nesting, steps, sizes, output. And that nothing catches a spent budget.
#include <string>

#include <gtest/gtest.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr {
namespace {

std::string times(int n, const std::string& text) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    out += text;
  }
  return out;
}

// The kind of error, or the outputs.
std::string outcome(const std::string& source, Budget budget = {}, const json::Value& input = {}) {
  const auto program = compile(source);
  if (!program) {
    return "refused: " + program.error().message;
  }
  const auto outputs = evaluate(*program, input, {}, budget);
  if (!outputs) {
    return outputs.error().kind == ErrorKind::budget ? "budget" : outputs.error().message();
  }
  return outputs->empty() ? "nothing" : json::write(outputs->front());
}

TEST(ExpressionLimits, BoundTheText) {
  EXPECT_EQ(outcome(times(199, "(") + "1" + times(199, ")")), "1");
  EXPECT_EQ(outcome(times(200, "(") + "1" + times(200, ")")), "refused: nested more than 200 levels deep");
  for (const char* opening : {"(", "[", "{a:", ".[", "-", "try ", "if ", "1//", "\"\\(", "map(",
                              "reduce 1 as $x(", "1 as $x|", "{(", ". as {(", "if 1 then 1 elif "}) {
    const auto program = compile(times(3'000, opening));
    ASSERT_FALSE(program) << opening;
    EXPECT_EQ(program.error().message, "nested more than 200 levels deep") << opening;
  }
  for (const char* opening : {"[", "{a:", "{(.) :", "[$x, {$y:"}) {
    EXPECT_EQ(outcome(". as " + times(3'000, opening)), "refused: nested more than 200 levels deep")
        << opening;
  }
  EXPECT_EQ(outcome(times(70'000, " ")), "refused: an expression of 70000 bytes is over the limit of 65536");
  EXPECT_EQ(outcome("1" + times(15'000, "+1")), "refused: the expression is too long");
}

TEST(ExpressionLimits, BoundTheLevelsOfEvaluation) {
  EXPECT_EQ(outcome("1" + times(900, "+1")), "901");
  EXPECT_EQ(outcome("." + times(900, "|.")), "null");
  EXPECT_EQ(outcome("." + times(300, "|(.,empty)")), "null");
  EXPECT_EQ(outcome("1" + times(1'500, "+1")),
            "refused: the expression needs more than 1000 levels of evaluation");
  EXPECT_TRUE(outcome("." + times(1'500, "|.[]?")).starts_with("refused: the expression needs more"));
  EXPECT_EQ(outcome("[1" + times(2'000, ",1") + "] | length"), "2001");  // a list is wide, not deep
}

TEST(ExpressionLimits, BoundTheSteps) {
  EXPECT_EQ(outcome("[range(1e9)] | length"), "budget");
  EXPECT_EQ(outcome("[limit(1e9; range(1e9))]"), "budget");
  EXPECT_EQ(outcome("[range(100) | [range(100)] | add]|length", {.steps = 1'000}), "budget");
  EXPECT_EQ(outcome("[range(100)] | add", {.steps = 1'000}), "4950");
  EXPECT_EQ(outcome("first(range(1e9))"), "0");
}

TEST(ExpressionLimits, BoundWhatIsMade) {
  EXPECT_EQ(outcome("reduce range(60) as $i (\"x\"; . + .)"), "budget");
  EXPECT_EQ(outcome("\"x\" * 1e12"), "budget");
  EXPECT_EQ(outcome("reduce range(60) as $i ([1]; [., .])"), "budget");
  EXPECT_EQ(outcome("reduce range(60) as $i ({}; {a: ., b: .}) | . == 1"), "budget");
  EXPECT_EQ(outcome("reduce range(300) as $i (null; [.])"), "budget");
  EXPECT_EQ(outcome("reduce range(200) as $i (null; [.]) | length"), "1");
  EXPECT_EQ(outcome("[range(60000)] | . - . | length"), "budget");                   // pairs are steps
  EXPECT_EQ(outcome("reduce range(20000) as $i ([]; . + [$i]) | length"), "20000");  // grows in place
  EXPECT_EQ(outcome("[range(5000) | {key: tostring, value: .}] | from_entries | length"), "5000");
  EXPECT_EQ(outcome("reduce range(5000) as $i ({}; . + {\"\\($i)\": $i}) | length"), "5000");
  const json::Value large = std::string(8U << 20, 'x');
  EXPECT_EQ(outcome("[range(100) as $i | length] | add", {}, large), "budget");
  EXPECT_EQ(outcome("length", {}, large), "8388608");
}

TEST(ExpressionLimits, BoundTheOutput) {
  EXPECT_EQ(outcome("\"x\" * 300000"), "budget");
  EXPECT_EQ(outcome("range(100)", {.output = 100}), "budget");
  const auto program = compile("\"x\" * 300000");
  EXPECT_EQ(evaluate_first(*program, nullptr).error().message(), "the expression's output is over 256 KiB");
}

TEST(ExpressionLimits, NothingCatchesASpentBudget) {
  EXPECT_EQ(outcome("try [range(1e9)] catch 1"), "budget");
  EXPECT_EQ(outcome("[range(1e9)]?"), "budget");
  EXPECT_EQ(outcome("(\"x\" * 1e12)? // 1"), "budget");
}

TEST(ExpressionFirst, StopsAfterTheFirstAndGivesNullForNone) {
  EXPECT_EQ(*evaluate_first(*compile("1, error(\"not reached\")"), nullptr), json::Value(1));
  EXPECT_TRUE(evaluate_first(*compile("empty"), nullptr)->is_null());
  EXPECT_EQ(evaluate_first(*compile("error({a: 1})"), nullptr).error().kind, ErrorKind::raised);
}

TEST(ExpressionErrors, SayWhere) {
  EXPECT_EQ(compile(".a |\n  lenght").error().to_error().message,
            "line 2, column 3: unknown function lenght; did you mean length?");
  EXPECT_EQ(compile("1 +").error().offset, 3U);
}

}  // namespace
}  // namespace flotilla::expr
