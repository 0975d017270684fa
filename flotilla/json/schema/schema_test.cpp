// What schemas mean, where the official suite of draft 7 does not say: the keywords of 2020-12, dialects,
// numbers as written, references inside one document.
#include "flotilla/json/schema/schema.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "flotilla/json/schema/test_support.hpp"

namespace flotilla::json::schema {
namespace {

struct Case {
  std::string schema;
  std::string value;
  bool valid;
};

void expect(std::span<const Case> cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(accepts(c.schema, c.value), c.valid) << c.schema << ' ' << c.value;
  }
}

constexpr std::string_view k2020 = R"("$schema": "https://json-schema.org/draft/2020-12/schema")";
constexpr std::string_view kDraft7 = R"("$schema": "http://json-schema.org/draft-07/schema#")";

std::string with(std::string_view dialect, std::string_view rest) {
  return "{" + std::string(dialect) + ", " + std::string(rest) + "}";
}

TEST(Schema, PrefixItems) {
  for (const std::string& schema :
       {std::string(R"({"prefixItems": [{"type": "string"}, true], "items": {"type": "integer"}})"),
        with(k2020, R"("prefixItems": [{"type": "string"}, true], "items": {"type": "integer"})")}) {
    const Case cases[] = {{schema, "[]", true},
                          {schema, R"(["a"])", true},
                          {schema, R"(["a", {}, 1, 2])", true},
                          {schema, "[1]", false},
                          {schema, R"(["a", {}, 1, "b"])", false},
                          {schema, R"({"0": 1})", true}};
    expect(cases);
  }
  const Case closed[] = {{R"({"prefixItems": [true], "items": false})", "[1]", true},
                         {R"({"prefixItems": [true], "items": false})", "[1, 2]", false},
                         {with(k2020, R"("prefixItems": [true], "additionalItems": false)"), "[1, 2]", true}};
  expect(closed);
}

TEST(Schema, ContainsBetween) {
  const std::string schema = R"({"contains": {"type": "integer"}, "minContains": 2, "maxContains": 3})";
  const Case cases[] = {
      {schema, R"([1, "a"])", false},
      {schema, R"([1, "a", 2])", true},
      {schema, R"([1, 2, 3, "a"])", true},
      {schema, "[1, 2, 3, 4]", false},
      {schema, "7", true},
      {R"({"contains": {"type": "integer"}, "minContains": 0})", "[]", true},
      {R"({"contains": {"type": "integer"}, "minContains": 0, "maxContains": 1})", "[1, 2]", false},
      {R"({"contains": {"type": "integer"}, "maxContains": 1})", "[]", false},
      {R"({"minContains": 2, "maxContains": 1})", "[]", true},
      {with(kDraft7, R"("contains": true, "minContains": 2)"), "[1]", true}};
  expect(cases);
}

TEST(Schema, DependentRequiredAndSchemas) {
  const std::string required = R"({"dependentRequired": {"card": ["name", "zip"], "none": []}})";
  const std::string schemas = R"({"dependentSchemas": {"card": {"required": ["zip"]}, "bad": false}})";
  const Case cases[] = {{required, "{}", true},
                        {required, R"({"card": 1, "name": 2})", false},
                        {required, R"({"card": 1, "name": 2, "zip": 3, "none": 4})", true},
                        {required, "[]", true},
                        {schemas, R"({"zip": 1})", true},
                        {schemas, R"({"card": 1})", false},
                        {schemas, R"({"card": 1, "zip": 2})", true},
                        {schemas, R"({"bad": 1})", false},
                        {with(k2020, R"("dependencies": {"a": ["b"]})"), R"({"a": 1})", false}};
  expect(cases);
}

TEST(Schema, DefsAndAnchors) {
  const std::string by_pointer =
      R"({"$defs": {"a b": {"type": "integer"}}, "items": {"$ref": "#/$defs/a%20b"}})";
  const std::string by_anchor =
      R"({"$defs": {"x": {"$anchor": "num", "type": "integer"}}, "items": {"$ref": "#num"}})";
  const std::string by_id =
      R"({"definitions": {"x": {"$id": "#num", "type": "integer"}}, "items": {"$ref": "#num"}})";
  const std::string in_resource =
      with(k2020, R"("$id": "http://a.example/root.json", "items": {"$ref": "inner.json#num"},
      "$defs": {"i": {"$id": "inner.json", "$ref": "#num", "$defs": {"x": {"$anchor": "num", "type": "integer"}}}})");
  for (const std::string& schema : {by_pointer, by_anchor, by_id, in_resource}) {
    const Case cases[] = {{schema, "[1]", true}, {schema, R"(["a"])", false}};
    expect(cases);
  }
}

TEST(Schema, WhatStandsBesideAReference) {
  const std::string rest =
      R"("$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n", "minimum": 5}})";
  const Case cases[] = {{with(k2020, rest), R"({"a": 3})", false},
                        {with(k2020, rest), R"({"a": 7})", true},
                        {with(k2020, rest), R"({"a": "x"})", false},
                        {with(kDraft7, rest), R"({"a": 3})", true},
                        {"{" + rest + "}", R"({"a": 3})", true}};
  expect(cases);
}

TEST(Schema, ReferencesReachWhatNoKeywordNames) {
  const Case cases[] = {
      {R"({"x-types": {"list": [{"type": "string"}]}, "items": {"$ref": "#/x-types/list/0"}})", R"(["a"])",
       true},
      {R"({"x-types": {"list": [{"type": "string"}]}, "items": {"$ref": "#/x-types/list/0"}})", "[1]", false},
      // The base of what is reached is that of the resource around it.
      {R"({"$id": "http://a.example/", "definitions": {"d": {"$id": "d/", "x": {"y": {"$ref": "e"}},
           "definitions": {"e": {"$id": "e", "type": "null"}}}}, "items": {"$ref": "#/definitions/d/x/y"}})",
       "[1]", false},
      {R"({"$id": "http://a.example/", "items": {"$ref": "http://a.example/#/definitions/n"}, "definitions": {"n": {"type": "null"}}})",
       "[1]", false},
      // Inside enum and const nothing is an identifier or a reference.
      {R"({"enum": [{"$id": "http://a.example/x", "$ref": "nowhere"}], "default": {"$id": "http://a.example/x"}})",
       R"({"$id": "http://a.example/x", "$ref": "nowhere"})", true},
      {with(kDraft7, R"("$defs": {"n": {"type": "null"}}, "items": {"$ref": "#/$defs/n"})"), "[1]", false},
  };
  expect(cases);
}

TEST(Schema, MayDescribeItself) {
  const std::string list =
      R"({"type": "object", "properties": {"next": {"$ref": "#"}, "value": {"type": "integer"}},
      "required": ["value"], "additionalProperties": false})";
  const Case cases[] = {{list, R"({"value": 1, "next": {"value": 2, "next": {"value": 3}}})", true},
                        {list, R"({"value": 1, "next": {"value": 2, "next": {"valu": 3}}})", false}};
  expect(cases);
}

TEST(Schema, NumbersAreExactAsWritten) {
  const Case cases[] = {
      {R"({"const": 9007199254740993})", "9007199254740993", true},
      {R"({"const": 9007199254740993})", "9007199254740992", false},
      {R"({"const": 1.10})", "11e-1", true},
      {R"({"maximum": 9007199254740992})", "9007199254740993", false},
      {R"({"exclusiveMinimum": 0.1})", "0.1000000000000000000000000000000000000000001", true},
      {R"({"exclusiveMinimum": 0.1})", "0.10", false},
      {R"({"multipleOf": 0.01})", "19.99", true},
      {R"({"multipleOf": 0.01})", "19.995", false},
      {R"({"multipleOf": 9007199254740993})", "18014398509481986", true},
      {R"({"type": "integer"})", "1e400", true},
      {R"({"type": "integer"})", "1.5", false},
      {R"({"uniqueItems": true})", "[1, 1.0]", false},
      {R"({"uniqueItems": true})", "[9007199254740993, 9007199254740992]", true},
      {R"({"minLength": 2.0})", R"("a")", false},
      {R"({"maxLength": 1e30})", R"("a")", true}};
  expect(cases);
}

TEST(Schema, LengthsAreCodePoints) {
  const Case cases[] = {{R"({"maxLength": 2})", R"("\ud83d\ude00\u00e9")", true},
                        {R"({"minLength": 3})", R"("\ud83d\ude00\u00e9")", false},
                        {R"({"propertyNames": {"maxLength": 1}})", R"({"\u20ac": 1})", true},
                        {R"({"pattern": "^.$"})", R"("\ud83d\ude00")", true}};
  expect(cases);
}

TEST(Schema, UniqueItemsOfManyAndOfEveryKind) {
  std::string many = "[0";
  for (int i = 1; i < 2000; ++i) {
    many += ", " + std::to_string(i);
  }
  const std::string unique = R"({"uniqueItems": true})";
  const Case cases[] = {{unique, many + "]", true},
                        {unique, many + ", 1e3]", false},
                        {unique, R"([null, false, 0, "", [], {}, "0", [0], {"a": 0}])", true},
                        {unique, R"([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}])", false},
                        {unique, R"([[1, 2], [2, 1]])", true},
                        {unique, R"(["a", "a"])", false},
                        {unique, R"([0, -0])", false},
                        {unique, R"({"a": 1})", true}};
  expect(cases);
}

TEST(Schema, PatternsAreFoundAnywhereAndKnowUnicodeEscapes) {
  const Case cases[] = {{R"({"pattern": "b+"})", R"("abc")", true},
                        {R"({"pattern": "^b+$"})", R"("abc")", false},
                        {R"({"pattern": "^a$"})", R"("a\n")", false},
                        {R"({"pattern": "^\\u00e9\\ud83d\\ude00$"})", R"("\u00e9\ud83d\ude00")", true},
                        {R"({"pattern": "^\\\\u0041$"})", R"("\\u0041")", true},
                        {R"({"patternProperties": {"^x-": {"type": "string"}, "-n$": {"maxLength": 1}},
                             "additionalProperties": {"type": "null"}})",
                         R"({"x-n": "a", "other": null})", true},
                        {R"({"patternProperties": {"^x-": {"type": "string"}, "-n$": {"maxLength": 1}}})",
                         R"({"x-n": "ab"})", false}};
  expect(cases);
}

TEST(Schema, ManyThreadsMayAskOne) {
  const auto schema =
      Schema::compile(read(R"({"items": {"pattern": "^a+$", "format": "hostname"}, "uniqueItems": true})"));
  ASSERT_TRUE(schema);
  const Value good = read(R"(["a", "aa", "aaa"])");
  const Value bad = read(R"(["a", "b"])");
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          wrong += schema->validate(good).has_value() ? 0 : 1;
          wrong += schema->validate(bad).has_value() ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Schema, OutlivesItsDocument) {
  auto schema = [] {
    Value document =
        read(R"({"properties": {"a name over fourteen bytes": {"const": "a text over fourteen bytes"}}})");
    return Schema::compile(document);
  }();
  ASSERT_TRUE(schema);
  const Schema copy = *schema;
  schema = fail(Errc::invalid, "gone");
  EXPECT_TRUE(copy.validate(read(R"({"a name over fourteen bytes": "a text over fourteen bytes"})")));
  EXPECT_FALSE(copy.validate(read(R"({"a name over fourteen bytes": "another"})")));
}

}  // namespace
}  // namespace flotilla::json::schema
