// The official suite (https://github.com/json-schema-org/JSON-Schema-Test-Suite) of draft 7, as Debian's
// package json-schema-test-suite installs it: every required file whole, and the formats that are asserted.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/format.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json {
namespace {

namespace fs = std::filesystem;

const fs::path kSuite = "/usr/share/json-schema-test-suite/tests/draft7";

// What needs a document that is not there: by file and description. compile() must refuse each of them and
// say why. Everything else must pass.
const std::set<std::string> kRemote = {
    "definitions.json: valid definition",    // the meta-schema
    "definitions.json: invalid definition",  // the same
    "ref.json: remote ref, containing refs itself",
    "refRemote.json: remote ref",
    "refRemote.json: fragment within remote ref",
    "refRemote.json: ref within remote ref",
    "refRemote.json: base URI change",
    "refRemote.json: base URI change - change folder",
    "refRemote.json: base URI change - change folder in subschema",
    "refRemote.json: root ref in remote ref",
};

Value read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto value = parse(text);
  EXPECT_TRUE(value) << path;
  return value.value_or(Value());
}

std::size_t run_cases(const Value& group, const Schema& schema, const std::string& name) {
  for (const Value& test : group["tests"].items()) {
    const auto verdict = schema.validate(test["data"]);
    EXPECT_EQ(verdict.has_value(), test["valid"].as_bool())
        << name << ": " << test["description"].as_string() << '\n'
        << (verdict ? "" : verdict.error().summary());
  }
  return group["tests"].size();
}

class OfficialSuite : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::is_directory(kSuite)) {
      GTEST_SKIP() << "\n*** NOT TESTED: " << kSuite << " is missing. Install json-schema-test-suite;"
                   << "\n*** ./dev test does.\n";
    }
  }
};

TEST_F(OfficialSuite, Draft7PassesWhole) {
  std::size_t cases = 0;
  std::set<std::string> refused;
  for (const auto& entry : fs::directory_iterator(kSuite)) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    const Value groups = read(entry.path());
    for (const Value& group : groups.items()) {
      const std::string name =
          entry.path().filename().string() + ": " + std::string(group["description"].as_string());
      const auto schema = Schema::compile(group["schema"]);
      if (!schema && kRemote.contains(name)) {
        EXPECT_EQ(schema.error().code, Errc::unsupported) << name;
        EXPECT_NE(schema.error().message.find("not in this document"), std::string::npos)
            << schema.error().message;
        refused.insert(name);
        continue;
      }
      ASSERT_TRUE(schema) << name << ": " << schema.error().message;
      cases += run_cases(group, *schema, name);
    }
  }
  EXPECT_EQ(refused, kRemote);
  EXPECT_GE(cases, 400U);
  std::cout << cases << " cases of draft 7; " << refused.size() << " groups need remote references\n";
}

TEST_F(OfficialSuite, AssertedFormatsPass) {
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(kSuite / "optional" / "format")) {
    const std::string format = entry.path().stem().string();
    if (schema::find_format(format) == nullptr) {
      continue;
    }
    const Value groups = read(entry.path());
    for (const Value& group : groups.items()) {
      const auto schema = Schema::compile(group["schema"]);
      ASSERT_TRUE(schema) << format;
      cases += run_cases(group, *schema, format);
    }
  }
  EXPECT_GE(cases, 80U);
  std::cout << cases << " cases of formats\n";
}

// Of the other optional files: numbers beyond those of machines, and 1.0 as an integer.
TEST_F(OfficialSuite, OptionalNumbersPass) {
  for (const char* file : {"bignum.json", "zeroTerminatedFloats.json"}) {
    const Value groups = read(kSuite / "optional" / file);
    EXPECT_FALSE(groups.empty());
    for (const Value& group : groups.items()) {
      const auto schema = Schema::compile(group["schema"]);
      ASSERT_TRUE(schema) << file;
      run_cases(group, *schema, file);
    }
  }
}

}  // namespace
}  // namespace flotilla::json
