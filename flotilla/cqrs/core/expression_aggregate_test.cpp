#include "flotilla/cqrs/core/expression_aggregate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs {
namespace {

using testing::HasSubstr;

std::expected<Verdict, std::string> verdict(const char* json) { return read_verdict(*json::parse(json)); }

TEST(ExpressionAggregate, ReadsWhatDecideGives) {
  const auto events = verdict(R"([{"type":"a","data":{"n":1.0}},{"type":"b"}])");
  ASSERT_TRUE(events.has_value());
  const auto& list = std::get<std::vector<NewEvent>>(*events);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].type, "a");
  EXPECT_EQ(list[1].data, json::Value());
  const auto refused = verdict(R"({"error":{"code":"exists","message":"it exists"}})");
  EXPECT_EQ(std::get<Refused>(*refused).code, "exists");
  EXPECT_EQ(std::get<Refused>(*refused).message, "it exists");
  EXPECT_EQ(std::get<Refused>(*verdict(R"({"error":{"code":"x"}})")).message, "");
  EXPECT_TRUE(std::get<std::vector<NewEvent>>(*verdict("[]")).empty());
}

TEST(ExpressionAggregate, SaysWhatDecideMayNotGive) {
  for (const char* const wrong :
       {"null", "1", "{}", R"({"type":"a"})", R"([1])", R"([{"data":1}])", R"([{"type":1}])",
        R"([{"type":"a","extra":1}])", R"({"error":{}})", R"({"error":{"code":""}})",
        R"({"error":{"code":1}})", R"({"error":{"code":"a","message":1}})",
        R"({"error":{"code":"a"},"more":1})"}) {
    const auto read = verdict(wrong);
    ASSERT_FALSE(read.has_value()) << wrong;
    EXPECT_THAT(read.error(), HasSubstr("it must give [{type, data}, ...], or {error: {code, message}}"))
        << wrong;
  }
}

TEST(ExpressionAggregate, IdsAreTextNumbersAndBooleans) {
  EXPECT_EQ(aggregate_id(json::Value("a b")).value(), "a b");
  EXPECT_EQ(aggregate_id(*json::parse("1.50")).value(), "1.50");
  EXPECT_EQ(aggregate_id(json::Value(true)).value(), "true");
  EXPECT_EQ(aggregate_id(json::Value()).error(),
            "id: it gives null, and must give text, a number or a boolean");
  EXPECT_FALSE(aggregate_id(json::Value::object()).has_value());
  EXPECT_TRUE(aggregate_id(json::Value(std::string(kMaxAggregateId, 'x'))).has_value());
  EXPECT_FALSE(aggregate_id(json::Value(std::string(kMaxAggregateId + 1, 'x'))).has_value());
}

TEST(ExpressionAggregate, AFoldIsKnownByItsText) {
  const auto made = [](const std::string& text) {
    return expression_aggregate("a", text, *compile_evolve(text));
  };
  EXPECT_EQ(made(". + 1").fold, made(". + 1").fold);
  EXPECT_NE(made(". + 1").fold, made(". + 2").fold);
  const Aggregate counter = made("(. // 0) + $data.n");
  const auto one = counter.evolve(counter.initial, {.data = *json::parse(R"({"n":3})"), .event = {}});
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(counter.save(*one), "3");
  EXPECT_EQ(counter.save(counter.load("3")), "3");
  EXPECT_EQ(counter.load("{"), nullptr);
  EXPECT_THAT(counter.evolve(counter.initial, {.data = json::Value("x"), .event = {}}).error(),
              HasSubstr("evolve: "));
}

TEST(ExpressionAggregate, TellsWhereAnExpressionIsWrong) {
  EXPECT_THAT(compile_evolve("$command").error().message, HasSubstr("column 1"));
  EXPECT_TRUE(compile_decide("$command | .x").has_value());
  EXPECT_FALSE(compile_command_id("$command").has_value());
}

}  // namespace
}  // namespace flotilla::cqrs
