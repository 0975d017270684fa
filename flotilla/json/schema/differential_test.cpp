// Against another implementation: random schemas, right and wrong ones, over random values must be refused,
// accepted and rejected as Python's jsonschema does (it comes with Debian's json-schema-test-suite).
//
// FLOTILLA_SCHEMA_SEED (default 1) and FLOTILLA_SCHEMA_CASES (default 2000) choose what is tried.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/schema.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::json {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// Values and schemas small and alike enough to meet each other. Left out is what Python sees otherwise:
// true equals 1 inside its lists and objects, its numbers are doubles.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Value value(int depth = 3) {
    switch (below(depth == 0 ? 8 : 12)) {
      case 0:
        return nullptr;
      case 1:
        return depth == 3 ? Value(below(2) == 0) : Value("true");
      case 2:
      case 3:
      case 4:
        return number();
      case 5:
      case 6:
      case 7:
        return pick(kTexts);
      case 8:
      case 9: {
        Value list = Value::array();
        for (std::uint64_t n = below(4); n > 0; --n) {
          list.push_back(value(depth - 1));
        }
        return list;
      }
      default: {
        Value object = Value::object();
        for (std::uint64_t n = below(4); n > 0; --n) {
          object.set_member(pick(kTexts), value(depth - 1));
        }
        return object;
      }
    }
  }

  Value document() {
    is_2020_ = below(2) == 0;
    const char* dialect =
        is_2020_ ? "https://json-schema.org/draft/2020-12/schema" : "http://json-schema.org/draft-07/schema#";
    Value schema = subschema(3, 0);
    if (!schema.is_object() || schema.find("$ref") != nullptr) {
      schema = Value::object({{"allOf", Value::array({schema})}});
    }
    schema.set("$schema", dialect);
    Value definitions = Value::object();
    for (int i = 1; i <= kDefinitions; ++i) {
      definitions.set(std::to_string(i), subschema(2, i));
    }
    schema.set(definitions_name(), definitions);
    return schema;
  }

 private:
  static constexpr int kDefinitions = 3;
  static constexpr std::array kTexts{"", "a", "b", "ab", "ba", "\u00e9", "aaa"};
  static constexpr std::array kTypes{"null", "boolean", "number", "integer", "string", "array", "object"};
  static constexpr std::array kPatterns{"^a", "b$", "a|b", "^$", "^.{2}$"};

  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  template <class List>
  Value pick(const List& list) {
    return Value(list[below(list.size())]);
  }
  Value number() {
    constexpr std::array texts{"-1", "0", "1", "2", "3", "1.0", "0.5", "1.5", "2e0"};
    return Value::number(texts[below(texts.size())]);
  }
  [[nodiscard]] std::string definitions_name() const { return is_2020_ ? "$defs" : "definitions"; }

  // `above` is the definition that this stands in for the same value: referring to a later one cannot come
  // back. Inside the value any may be referred to.
  Value subschema(int depth, int above) {
    if (below(12) == 0) {
      return below(2) == 0;
    }
    Value schema = Value::object();
    if (below(6) == 0 && above < kDefinitions) {
      const std::uint64_t which =
          static_cast<std::uint64_t>(above) + 1 + below(static_cast<std::uint64_t>(kDefinitions - above));
      schema.set("$ref", fmt::format("#/{}/{}", definitions_name(), which));
      if (!is_2020_) {
        return schema;
      }
    }
    for (std::uint64_t n = 1 + below(3); n > 0; --n) {
      add_keyword(schema, depth, above);
    }
    return schema;
  }
  // Of a member or an element of the value.
  Value inside(int depth) { return below(10) == 0 ? Value::object({{"$ref", "#"}}) : subschema(depth, 0); }

  Value list(int depth, int above) {
    Value schemas = Value::array();
    for (std::uint64_t n = 1 + below(3); n > 0; --n) {
      schemas.push_back(subschema(depth, above));
    }
    return schemas;
  }
  Value named(int depth, const auto& names) {
    Value schemas = Value::object();
    for (std::uint64_t n = below(3) + 1; n > 0; --n) {
      schemas.set_member(pick(names), inside(depth));
    }
    return schemas;
  }
  Value texts() {
    Value list = Value::array();
    for (const char* text : kTexts) {
      if (below(4) == 0) {
        list.push_back(text);
      }
    }
    return list;
  }

  void add_keyword(Value& schema, int depth, int above) {
    const std::uint64_t which = below(depth > 0 ? 30 : 14);
    const char* keyword = nullptr;
    Value argument = which < 14   ? plain_keyword(which, keyword)
                     : which < 22 ? combination(which, depth - 1, above, keyword)
                                  : container(which, depth - 1, above, keyword);
    if (below(100) == 0) {
      argument = value();  // mostly wrong
    }
    schema.set(keyword, argument);
  }

  Value plain_keyword(std::uint64_t which, const char*& keyword) {
    constexpr std::array bounds{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    constexpr std::array counts{"minLength", "maxLength",     "minItems",
                                "maxItems",  "minProperties", "maxProperties"};
    if (which < 3) {
      keyword = "type";
      const std::uint64_t first = below(kTypes.size() - 1);
      return below(2) == 0 ? pick(kTypes) : Value::array({kTypes[first], kTypes[first + 1]});
    }
    if (which < 6) {
      keyword = bounds[below(bounds.size())];
      return number();
    }
    if (which < 9) {
      keyword = counts[below(counts.size())];
      return below(3);
    }
    switch (which) {
      case 9:
        keyword = "enum";
        return Value::array({value(2), value(1), value(1)});
      case 10:
        keyword = "const";
        return value(2);
      case 11:
        keyword = "multipleOf";
        return below(2) == 0 ? Value(1 + below(3)) : Value::number("0.5");
      case 12:
        keyword = "pattern";
        return pick(kPatterns);
      default:
        keyword = "uniqueItems";
        return below(4) != 0;
    }
  }

  Value combination(std::uint64_t which, int depth, int above, const char*& keyword) {
    constexpr std::array lists{"allOf", "anyOf", "oneOf"};
    constexpr std::array singles{"not", "if", "then", "else"};
    if (which < 18) {
      keyword = lists[below(lists.size())];
      return list(depth, above);
    }
    keyword = singles[below(singles.size())];
    return subschema(depth, above);
  }

  Value container(std::uint64_t which, int depth, int above, const char*& keyword) {
    switch (which) {
      case 22:
        keyword = "properties";
        return named(depth, kTexts);
      case 23:
        keyword = "patternProperties";
        return named(depth, kPatterns);
      case 24:
        keyword = below(2) == 0 ? "additionalProperties" : "propertyNames";
        return inside(depth);
      case 25:
        keyword = "required";
        return texts();
      case 26:
        keyword = "contains";
        return inside(depth);
      case 27:
        keyword = is_2020_ ? "prefixItems" : "items";
        return list(depth, 0);
      case 28:
        keyword = is_2020_ || below(2) == 0 ? "items" : "additionalItems";
        return inside(depth);
      default:
        break;
    }
    Value dependencies = Value::object();
    if (!is_2020_) {
      keyword = "dependencies";
      dependencies.set_member(pick(kTexts), texts());
      dependencies.set_member(pick(kTexts), subschema(depth, above));
      return dependencies;
    }
    switch (below(4)) {
      case 0:
        keyword = "dependentRequired";
        dependencies.set_member(pick(kTexts), texts());
        return dependencies;
      case 1:
        keyword = "dependentSchemas";
        dependencies.set_member(pick(kTexts), subschema(depth, above));
        return dependencies;
      case 2:
        keyword = "minContains";
        return below(3);
      default:
        keyword = "maxContains";
        return below(3);
    }
  }

  Random random_;
  bool is_2020_ = false;
};

std::string ask_us(const Value& document, const Value& value) {
  const auto schema = Schema::compile(document);
  if (!schema) {
    return schema.error().code == Errc::invalid ? "refused" : schema.error().message;
  }
  return schema->validate(value) ? "valid" : "invalid";
}

TEST(SchemaDifferential, AgreesWithPython) {
  if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0) {
    GTEST_SKIP() << "\n*** NOT TESTED: Python's jsonschema is missing. Install json-schema-test-suite;"
                 << "\n*** ./dev test does.\n";
  }
  const std::uint64_t seed = from_environment("FLOTILLA_SCHEMA_SEED", 1);
  const std::uint64_t cases = from_environment("FLOTILLA_SCHEMA_CASES", 2000);
  std::cout << "seed " << seed << '\n';
  Generator generator(seed);
  const std::string path = testing::TempDir() + fmt::format("flotilla_schema_{}", seed);
  std::vector<std::pair<Value, Value>> asked;
  std::ofstream file(path);
  Value document;
  constexpr std::uint64_t kValues = 5;  // for each schema, since checking one takes Python milliseconds
  for (std::uint64_t i = 0; i < cases; ++i) {
    if (i % kValues == 0) {
      document = generator.document();
    }
    asked.emplace_back(document, generator.value());
    file << write(Value::array({asked.back().first, asked.back().second})) << '\n';
  }
  file.close();
  const std::string script = FLOTILLA_SOURCE_DIR "/flotilla/json/schema/testdata/judge.py";
  ASSERT_EQ(std::system(fmt::format("python3 -I {0} <{1} >{1}.out", script, path).c_str()), 0);
  std::ifstream answers(path + ".out");
  std::map<std::string, std::size_t> seen;
  std::string theirs;
  for (const auto& [schema, value] : asked) {
    ASSERT_TRUE(std::getline(answers, theirs));
    ++seen[theirs];
    ASSERT_EQ(ask_us(schema, value), theirs) << write(schema) << '\n' << write(value);
  }
  std::cout << seen["valid"] << " valid, " << seen["invalid"] << " invalid, " << seen["refused"]
            << " refused\n";
  if (cases >= 1000) {
    EXPECT_GT(seen["valid"], cases / 10);
    EXPECT_GT(seen["invalid"], cases / 10);
    EXPECT_GT(seen["refused"], cases / 50);
  }
}

}  // namespace
}  // namespace flotilla::json
