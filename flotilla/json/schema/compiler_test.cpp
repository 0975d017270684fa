// What is refused when a schema is compiled, with the place and the words.
#include "flotilla/json/schema/compiler.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/json/schema/test_support.hpp"

namespace flotilla::json::schema {
namespace {

struct Refusal {
  std::string schema;
  Errc code;
  std::string message;
};

void expect(std::span<const Refusal> refusals) {
  for (const Refusal& r : refusals) {
    const auto schema = Schema::compile(read(r.schema));
    ASSERT_FALSE(schema) << r.schema;
    EXPECT_EQ(schema.error().code, r.code) << r.schema;
    EXPECT_EQ(schema.error().message, r.message) << r.schema;
  }
}

TEST(SchemaCompiler, RefusesWhatIsNoSchema) {
  const Refusal refusals[] = {
      {"1", Errc::invalid, "#: a schema is an object or a boolean, this is number"},
      {R"({"properties": {"a/b": {"items": [true, null]}}})", Errc::invalid,
       "#/properties/a~1b/items/1: a schema is an object or a boolean, this is null"},
      {R"({"properties": []})", Errc::invalid, "#/properties: must be object, is array"},
      {R"({"type": "int"})", Errc::invalid,
       "#/type: must be null, boolean, number, integer, string, array or object, or a list of them"},
      {R"({"type": []})", Errc::invalid,
       "#/type: must be null, boolean, number, integer, string, array or object, or a list of them"},
      {R"({"type": ["null", 1]})", Errc::invalid,
       "#/type: must be null, boolean, number, integer, string, array or object, or a list of them"},
      {R"({"type": ["null", "null"]})", Errc::invalid, "#/type: names a type twice"},
      {R"({"enum": 1})", Errc::invalid, "#/enum: must be array, is number"},
      {R"({"minimum": "1"})", Errc::invalid, "#/minimum: must be number, is string"},
      {R"({"exclusiveMaximum": true})", Errc::invalid, "#/exclusiveMaximum: must be number, is boolean"},
      {R"({"multipleOf": 0})", Errc::invalid, "#/multipleOf: must be above 0, of at most 34 digits"},
      {R"({"multipleOf": 11111111111111111111111111111111111})", Errc::invalid,
       "#/multipleOf: must be above 0, of at most 34 digits"},
      {R"({"minLength": -1})", Errc::invalid, "#/minLength: must be a whole number, 0 or above"},
      {R"({"maxItems": 1.5})", Errc::invalid, "#/maxItems: must be a whole number, 0 or above"},
      {R"({"minContains": "1"})", Errc::invalid, "#/minContains: must be a whole number, 0 or above"},
      {R"({"uniqueItems": 1})", Errc::invalid, "#/uniqueItems: must be boolean, is number"},
      {R"({"required": "a"})", Errc::invalid, "#/required: must be array, is string"},
      {R"({"required": ["a", 1]})", Errc::invalid, "#/required: must name properties, each by a string"},
      {R"({"required": ["a", "b", "a"]})", Errc::invalid, "#/required: names \"a\" twice"},
      {R"({"dependencies": {"a": 1}})", Errc::invalid,
       "#/dependencies/a: a schema is an object or a boolean, this is number"},
      {R"({"dependentRequired": {"a": {}}})", Errc::invalid,
       "#/dependentRequired: must have lists of names as its values"},
      {R"({"allOf": []})", Errc::invalid, "#/allOf: must have an element"},
      {R"({"anyOf": {}})", Errc::invalid, "#/anyOf: must be array, is object"},
      {R"({"items": []})", Errc::invalid, "#/items: must have an element"},
      {R"({"prefixItems": [true], "items": [true]})", Errc::invalid,
       "#/items: must be one schema here; prefixItems takes a list"},
      {R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "items": [true]})", Errc::invalid,
       "#/items: must be one schema here; prefixItems takes a list"},
      {R"({"title": 1})", Errc::invalid, "#/title: must be string, is number"},
      {R"({"definitions": {"a": 1}})", Errc::invalid,
       "#/definitions/a: a schema is an object or a boolean, this is number"},
      {R"({"then": 1})", Errc::invalid, "#/then: a schema is an object or a boolean, this is number"},
  };
  expect(refusals);
}

TEST(SchemaCompiler, RefusesPatternsThatRe2DoesNotKnow) {
  const Refusal refusals[] = {
      {R"j({"pattern": "^(?!a)"})j", Errc::invalid,
       "#/pattern: ^(?!a) is not a regular expression of RE2: invalid perl operator: (?!; lookaround is not "
       "supported"},
      {R"({"items": {"patternProperties": {"(a)\\1": true}}})", Errc::invalid,
       "#/items/patternProperties: (a)\\1 is not a regular expression of RE2: invalid escape sequence: \\1; "
       "backreferences are not supported"},
      {R"({"pattern": "a("})", Errc::invalid,
       "#/pattern: a( is not a regular expression of RE2: missing ): a("},
  };
  expect(refusals);
}

TEST(SchemaCompiler, RefusesOtherDialects) {
  const std::string known =
      "is none that is known: http://json-schema.org/draft-07/schema# and "
      "https://json-schema.org/draft/2020-12/schema are";
  const Refusal refusals[] = {
      {R"({"$schema": "http://json-schema.org/draft-04/schema#"})", Errc::unsupported, "#/$schema: " + known},
      {R"({"$schema": "http://json-schema.org/schema#"})", Errc::unsupported, "#/$schema: " + known},
      {R"({"$schema": 7})", Errc::unsupported, "#/$schema: " + known},
      {R"({"$schema": "http://json-schema.org/draft-07/schema#",
           "items": {"$schema": "https://json-schema.org/draft/2020-12/schema"}})",
       Errc::unsupported, "#/items/$schema: differs from that of the whole document"},
      {R"({"items": {"unevaluatedProperties": false}})", Errc::unsupported,
       "#/items/unevaluatedProperties: is not supported, and ignoring it would accept too much"},
      {R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "$dynamicRef": "#a"})",
       Errc::unsupported, "#/$dynamicRef: is not supported, and ignoring it would accept too much"},
  };
  expect(refusals);
  // Draft 7 does not know them, so there they are only unknown keywords.
  EXPECT_TRUE(accepts(
      R"({"$schema": "http://json-schema.org/draft-07/schema", "unevaluatedProperties": false})", "{}"));
}

TEST(SchemaCompiler, RefusesReferencesToElsewhereAndToNothing) {
  const Refusal refusals[] = {
      {R"({"items": {"$ref": "http://a.example/x.json#/b"}})", Errc::unsupported,
       "#/items/$ref: refers to http://a.example/x.json, which is not in this document; nothing is fetched"},
      {R"({"$id": "http://a.example/", "items": {"$ref": "x.json"}})", Errc::unsupported,
       "#/items/$ref: refers to http://a.example/x.json, which is not in this document; nothing is fetched"},
      {R"({"$ref": "file:///etc/passwd"})", Errc::unsupported,
       "#/$ref: refers to file:///etc/passwd, which is not in this document; nothing is fetched"},
      {R"({"items": {"$ref": "#/definitions/a"}})", Errc::invalid,
       "#/items/$ref: nothing stands at #/definitions/a"},
      {R"({"items": {"$ref": "#/items/~2"}})", Errc::invalid, "#/items/$ref: nothing stands at #/items/~2"},
      {R"({"items": {"$ref": "#/allOf/01"}, "allOf": [true, true]})", Errc::invalid,
       "#/items/$ref: nothing stands at #/allOf/01"},
      {R"({"items": {"$ref": "#/type"}, "type": "object"})", Errc::invalid,
       "#/type: a schema is an object or a boolean, this is string"},
      {R"({"items": {"$ref": "#a"}})", Errc::invalid, "#/items/$ref: nothing here has the anchor a"},
      {R"({"items": {"$ref": "#/%4"}})", Errc::invalid,
       "#/items/$ref: has a % without two hexadecimal digits"},
      {R"({"items": {"$ref": 1}})", Errc::invalid, "#/items/$ref: must be string, is number"},
  };
  expect(refusals);
}

TEST(SchemaCompiler, RefusesIdentifiersThatAreNoneOrTaken) {
  const Refusal refusals[] = {
      {R"({"definitions": {"a": {"$id": "x"}, "b": {"$id": "./x"}}})", Errc::invalid,
       "#/definitions/b/$id: #/definitions/a has the same one"},
      {R"({"definitions": {"a": {"$id": "#x"}, "b": {"$anchor": "x"}}})", Errc::invalid,
       "#/definitions/b/$anchor: #/definitions/a has the same one"},
      {R"({"$id": "a b"})", Errc::invalid, "#/$id: must be a URI reference"},
      {R"({"$id": "a#b"})", Errc::invalid, "#/$id: must have no fragment"},
      {R"({"$anchor": "1"})", Errc::invalid,
       "#/$anchor: must name an anchor: a letter or _, then letters, digits, -, _, : and ."},
      {R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "#a"})", Errc::invalid,
       "#/$id: must have no fragment"},
  };
  expect(refusals);
  EXPECT_TRUE(accepts(R"({"$id": "http://a.example/x#", "items": {"$ref": "x"}})", "[[]]"));
}

TEST(SchemaCompiler, RefusesReferencesThatComeBackForTheSameValue) {
  const std::string endless = "refers to itself for the same value, so judging it would never end";
  const Refusal refusals[] = {
      {R"({"$ref": "#"})", Errc::invalid, "#: " + endless},
      {R"({"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"allOf": [{"$ref": "#/definitions/a"}]}}})",
       Errc::invalid, "#/definitions/a: " + endless},
      {R"({"anyOf": [{"type": "null"}, {"$ref": "#"}]})", Errc::invalid, "#: " + endless},
      {R"({"not": {"$ref": "#"}})", Errc::invalid, "#: " + endless},
      {R"({"if": true, "else": {"$ref": "#"}})", Errc::invalid, "#: " + endless},
      {R"({"dependencies": {"a": {"$ref": "#"}}})", Errc::invalid, "#: " + endless},
  };
  expect(refusals);
}

TEST(SchemaCompiler, ItsBoundsAreErrors) {
  std::string deep = "true";
  for (std::size_t i = 1; i < SchemaLimits::kDepth; ++i) {
    deep = R"({"not": )" + deep + "}";
  }
  EXPECT_TRUE(Schema::compile(read(deep)));
  EXPECT_EQ(judge(R"({"items": )" + deep + "}", "1").find("refused: #/items/not"), 0U);

  std::string chain;  // each refers to the next; the last is true
  const auto chained = [&](std::size_t length) {
    chain = R"({"definitions": {)";
    for (std::size_t i = 1; i < length; ++i) {
      chain += fmt::format(R"("{}": {{"$ref": "#/definitions/{}"}}, )", i, i + 1);
    }
    return chain + fmt::format(R"("{}": true}}}})", length);
  };
  EXPECT_TRUE(Schema::compile(read(chained(SchemaLimits::kChain))));
  EXPECT_EQ(judge(chained(SchemaLimits::kChain + 1), "1"),
            "refused: #/definitions/129: more than 128 subschemas apply to one value through one another");
  EXPECT_TRUE(judge(chained(5000), "1").starts_with("refused: #/definitions/"));

  const auto many = [](std::string_view each, std::size_t count) {
    std::string list = R"({"allOf": [)" + std::string(each);
    for (std::size_t i = 1; i < count; ++i) {
      list.append(",").append(each);
    }
    return list + "]}";
  };
  EXPECT_TRUE(Schema::compile(read(many("true", SchemaLimits::kSubschemas - 1))));
  EXPECT_EQ(judge(many("true", SchemaLimits::kSubschemas), "1"),
            "refused: #/allOf/9999: more than 10000 subschemas");
  EXPECT_TRUE(Schema::compile(read(many(R"({"pattern": "a"})", SchemaLimits::kPatterns))));
  EXPECT_EQ(judge(many(R"({"pattern": "a"})", SchemaLimits::kPatterns + 1), "1"),
            "refused: #/allOf/256/pattern: more than 256 patterns");

  const auto long_pattern = [](std::size_t bytes) {
    return R"({"pattern": ")" + std::string(bytes, 'a') + "\"}";
  };
  EXPECT_TRUE(Schema::compile(read(long_pattern(SchemaLimits::kPatternBytes))));
  EXPECT_EQ(judge(long_pattern(SchemaLimits::kPatternBytes + 1), "1"),
            "refused: #/pattern: a pattern has at most 4096 bytes, this one 4097");
  EXPECT_TRUE(judge(R"({"pattern": "((a{100}){100}){100}"})", "1").starts_with("refused: #/pattern: "));

  const auto long_id = [](std::size_t bytes) { return R"({"$id": ")" + std::string(bytes, 'a') + "\"}"; };
  EXPECT_TRUE(Schema::compile(read(long_id(SchemaLimits::kUriBytes))));
  EXPECT_EQ(judge(long_id(SchemaLimits::kUriBytes + 1), "1"), "refused: #/$id: is a URI of over 2048 bytes");
}

}  // namespace
}  // namespace flotilla::json::schema
