// How violations are told, and what bounds a judgement.
#include "flotilla/json/schema/validator.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/json/schema/test_support.hpp"

namespace flotilla::json::schema {
namespace {

constexpr std::string_view kOrder = R"({
  "type": "object",
  "required": ["id", "items"],
  "properties": {
    "id": {"type": "string", "format": "uuid"},
    "items": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"$ref": "#/definitions/item"}},
    "amount": {"type": ["number", "null"], "minimum": 0, "multipleOf": 0.01}
  },
  "additionalProperties": false,
  "definitions": {"item": {"type": "object", "required": ["sku"],
    "properties": {"sku": {"type": "string", "pattern": "^[A-Z]+$"}, "state": {"enum": ["new", 7, null]}}}}
})";

struct Told {
  std::string_view schema;
  std::string_view value;
  std::string lines;
};

TEST(SchemaViolations, TellWhereInTheValueAndInTheSchema) {
  const Told cases[] = {
      {kOrder, "7", " | /type | must be object, is number"},
      {kOrder, R"({"id": "x", "items": []})",
       "/id | /properties/id/format | must be a UUID\n"
       "/items | /properties/items/minItems | must have at least 1 element, has 0"},
      {kOrder, R"({"amuont": 1, "zzzzzz": 2, "items": [{"sku": "abc"}, {"state": 8}, {"sku": "A"}]})",
       " | /required | must have the property \"id\"\n"
       "/amuont | /additionalProperties | is not a known property; did you mean \"amount\"?\n"
       "/zzzzzz | /additionalProperties | is not a known property\n"
       "/items | /properties/items/maxItems | must have at most 2 elements, has 3\n"
       "/items/0/sku | /definitions/item/properties/sku/pattern | must match the pattern ^[A-Z]+$\n"
       "/items/1 | /definitions/item/required | must have the property \"sku\"\n"
       "/items/1/state | /definitions/item/properties/state/enum | must be \"new\", 7 or null"},
      {R"({"properties": {"a/b~c": {"maximum": 1.50}}})", R"({"a/b~c": 2})",
       "/a~1b~0c | /properties/a~1b~0c/maximum | must be at most 1.50"},
      {R"({"minimum": 1})", "0", " | /minimum | must be at least 1"},
      {R"({"exclusiveMinimum": 1})", "1", " | /exclusiveMinimum | must be above 1"},
      {R"({"exclusiveMaximum": 1})", "1", " | /exclusiveMaximum | must be below 1"},
      {R"({"multipleOf": 0.01})", "0.001", " | /multipleOf | must be a multiple of 0.01"},
      {R"({"type": ["integer", "null", "array"]})", "1.5",
       " | /type | must be null, integer or array, is number"},
      {R"({"const": {"a": 1}})", "1", R"( | /const | must be {"a":1})"},
      {R"({"enum": []})", "1", " | /enum | can be no value at all"},
      {R"({"enum": [0,1,2,3,4,5,6,7,8,9,10,11]})", "-1",
       " | /enum | must be 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 or one of 2 others"},
      {R"({"minLength": 2})", R"("a")", " | /minLength | must have at least 2 characters, has 1"},
      {R"({"maxProperties": 1})", R"({"a": 1, "b": 2})",
       " | /maxProperties | must have at most 1 property, has 2"},
      {R"({"uniqueItems": true})", R"(["a", "b", "c", "b"])",
       " | /uniqueItems | must have different elements; 1 and 3 are equal"},
      {R"({"contains": {"const": 1}})", "[2]",
       " | /contains | must contain at least 1 matching element, contains 0"},
      {R"({"contains": {"const": 1}, "maxContains": 2})", "[1, 1, 1]",
       " | /maxContains | must contain at most 2 matching elements, contains 3"},
      {R"({"contains": {"const": 1}, "minContains": 2})", "[1]",
       " | /minContains | must contain at least 2 matching elements, contains 1"},
      {R"({"dependencies": {"a": ["b"]}})", R"({"a": 1})",
       " | /dependencies | must have the property \"b\" beside \"a\""},
      {R"({"dependentSchemas": {"a": {"required": ["b"]}}})", R"({"a": 1})",
       " | /dependentSchemas/a/required | must have the property \"b\""},
      {R"({"propertyNames": {"maxLength": 1}})", R"({"ab": 1})",
       "/ab | /propertyNames/maxLength | must have at most 1 character, has 2"},
      {R"({"items": false})", "[1]", "/0 | /items | is not allowed"},
      {R"({"not": {"type": "null"}})", "null", " | /not | must not match"},
      {R"({"if": {"minimum": 0}, "then": {"maximum": 9}, "else": false})", "10",
       " | /then/maximum | must be at most 9"},
      {R"({"if": {"minimum": 0}, "then": {"maximum": 9}, "else": false})", "-1", " | /else | is not allowed"},
      {R"({"oneOf": [{"minimum": 0}, {"type": "null"}, {"maximum": 9}]})", "5",
       " | /oneOf | must match one alternative only, matches 0 and 2"},
      {R"({"allOf": [{"minimum": 9}, {"type": "null"}]})", "5",
       " | /allOf/0/minimum | must be at least 9\n | /allOf/1/type | must be null, is number"},
  };
  for (const Told& c : cases) {
    EXPECT_EQ(judge(c.schema, c.value), c.lines) << c.schema;
  }
}

TEST(SchemaViolations, OfAlternativesTheOneThatCameFurthestIsTold) {
  constexpr std::string_view kPayment = R"({"KEYWORD": [
    {"type": "null"},
    {"properties": {"kind": {"const": "card"}, "card": {"properties": {"number": {"type": "string"}}}}},
    {"properties": {"kind": {"const": "cash"}, "card": false}}]})";
  for (const std::string keyword : {"anyOf", "oneOf"}) {
    std::string schema(kPayment);
    schema.replace(schema.find("KEYWORD"), 7, keyword);
    EXPECT_EQ(judge(schema, R"({"kind": "card", "card": {"number": 7}})"),
              " | /" + keyword +
                  " | matches none of 3 alternatives; what follows is about 1\n/card/number | /" + keyword +
                  "/1/properties/card/properties/number/type | must be string, is number");
  }
  EXPECT_EQ(judge(R"({"anyOf": [{"minimum": 3}]})", "1"),
            " | /anyOf | matches not even its one alternative\n | /anyOf/0/minimum | must be at least 3");
}

TEST(SchemaViolations, NeverQuoteTheValue) {
  const auto schema = Schema::compile(read(
      R"({"items": {"type": "null", "enum": [], "pattern": "^$", "format": "date", "maxLength": 1, "not": true,
          "minimum": 1e9, "multipleOf": 1e9}, "uniqueItems": true})"));
  ASSERT_TRUE(schema);
  const std::string told = judge(*schema, read(R"(["hunter2", "hunter2", 31337])"));
  EXPECT_EQ(told.find("hunter2"), std::string::npos) << told;
  EXPECT_EQ(told.find("31337"), std::string::npos) << told;
}

TEST(SchemaViolations, TheFirstAreDescribedAndAllAreCounted) {
  const auto schema = Schema::compile(read(R"({"items": {"type": "null"}})"));
  ASSERT_TRUE(schema);
  Value many = Value::array();
  for (int i = 0; i < 100; ++i) {
    many.push_back(i);
  }
  const auto verdict = schema->validate(many, {.violations = 3});
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Errc::invalid);
  EXPECT_EQ(verdict.error().first.size(), 3U);
  EXPECT_EQ(verdict.error().total, 100U);
  EXPECT_TRUE(verdict.error().complete);
  EXPECT_EQ(verdict.error().summary(), "/0: must be null, is number; and 99 more");
  EXPECT_EQ(schema->validate(many, {.violations = 0}).error().first.size(), 1U);

  const auto cut = schema->validate(many, {.steps = 50});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::invalid);  // the first answer took few steps
  EXPECT_FALSE(cut.error().complete);
  EXPECT_LT(cut.error().total, 100U);
  EXPECT_TRUE(cut.error().summary().ends_with(" more at least")) << cut.error().summary();
}

TEST(SchemaViolations, LongNamesAreCutInPaths) {
  const std::string name(5000, 'n');
  const std::string told = judge(R"({"additionalProperties": {"type": "null"}})", "{\"" + name + "\": 1}");
  EXPECT_EQ(told, "/" + name.substr(0, 160) + "... | /additionalProperties/type | must be null, is number");
}

TEST(SchemaBounds, StepsEndAHostilePair) {
  // Each level asks the next one twice: 2^60 judgements of one value.
  std::string doubling = R"({"$ref": "#/definitions/0", "definitions": {"60": true)";
  for (int i = 0; i < 60; ++i) {
    doubling += fmt::format(
        R"(, "{}": {{"allOf": [{{"$ref": "#/definitions/{}"}}, {{"$ref": "#/definitions/{}"}}]}})", i, i + 1,
        i + 1);
  }
  const auto schema = Schema::compile(read(doubling + "}}"));
  ASSERT_TRUE(schema) << schema.error().message;
  const auto verdict = schema->validate(Value(1));
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Errc::limit);
  EXPECT_EQ(verdict.error().total, 1U);
  EXPECT_EQ(verdict.error().first[0].message, "could not be judged within the steps allowed");
  EXPECT_TRUE(verdict.error().summary().starts_with("the whole: could not be judged"));
}

TEST(SchemaBounds, EveryExpensiveRulePaysSteps) {
  struct Expensive {
    const char* schema;
    Value value;
  };
  Value list = Value::array();
  Value object = Value::object();
  for (int i = 0; i < 200; ++i) {
    list.push_back(Value::array({i}));
    object.set(std::to_string(i), i);
  }
  const Value text(std::string(100'000, 'a'));
  const Expensive cases[] = {{R"({"uniqueItems": true})", list},
                             {R"({"items": true})", list},
                             {R"({"contains": false, "minContains": 0, "maxContains": 0})", list},
                             {R"({"additionalProperties": true})", object},
                             {R"({"patternProperties": {"x": true}})", object},
                             {R"({"propertyNames": true})", object},
                             {R"({"minLength": 1})", text},
                             {R"({"pattern": "a$"})", text},
                             {R"({"format": "hostname"})", text}};
  for (const Expensive& c : cases) {
    const auto schema = Schema::compile(read(c.schema));
    ASSERT_TRUE(schema) << c.schema;
    const auto verdict = schema->validate(c.value, {.steps = 150});
    ASSERT_FALSE(verdict) << c.schema;
    EXPECT_EQ(verdict.error().code, Errc::limit) << c.schema;
  }
  // A negation does not turn "too many steps" into a yes.
  for (const char* negated : {R"({"not": {"items": {}}})", R"({"if": {"items": true}, "else": true})",
                              R"({"oneOf": [true, {"items": {}}]})", R"({"not": {"contains": false}})"}) {
    const auto schema = Schema::compile(read(negated));
    ASSERT_TRUE(schema) << negated;
    const auto verdict = schema->validate(list, {.steps = 50});
    ASSERT_FALSE(verdict) << negated;
    EXPECT_EQ(verdict.error().code, Errc::limit) << negated;
  }
}

TEST(SchemaBounds, LevelsEndADeepPair) {
  const auto schema = Schema::compile(read(R"({"items": {"allOf": [{"anyOf": [{"$ref": "#"}]}]}})"));
  ASSERT_TRUE(schema);
  const auto nested = [](std::size_t depth) {
    Value v = Value::array();
    for (std::size_t i = 1; i < depth; ++i) {
      v = Value::array({v});
    }
    return v;
  };
  EXPECT_TRUE(schema->validate(nested(64)));
  const auto verdict = schema->validate(nested(600));
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Errc::limit);
  EXPECT_EQ(verdict.error().first[0].message, "could not be judged within 1000 levels");
}

}  // namespace
}  // namespace flotilla::json::schema
