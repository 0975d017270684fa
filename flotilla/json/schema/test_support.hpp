// Helpers of the schema tests: schemas and values as JSON text, answers as lines.
#pragma once

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json::schema {

inline Value read(std::string_view text) {
  const auto value = parse(text, {.depth = Value::kMaxDepth});
  EXPECT_TRUE(value) << text;
  return value.value_or(Value());
}

// "valid", or a line "INSTANCE_PATH | SCHEMA_PATH | MESSAGE" for each violation described.
inline std::string judge(const Schema& schema, const Value& value, const ValidationLimits& limits = {}) {
  const auto verdict = schema.validate(value, limits);
  if (verdict) {
    return "valid";
  }
  std::string lines;
  for (const Violation& v : verdict.error().first) {
    lines += (lines.empty() ? "" : "\n") + v.instance_path + " | " + v.schema_path + " | " + v.message;
  }
  return lines;
}

// The same from texts; "refused: MESSAGE" where the schema does not compile.
inline std::string judge(std::string_view schema, std::string_view value) {
  const auto compiled = Schema::compile(read(schema));
  return compiled ? judge(*compiled, read(value)) : "refused: " + compiled.error().message;
}

inline bool accepts(std::string_view schema, std::string_view value) {
  const std::string answer = judge(schema, value);
  EXPECT_FALSE(answer.starts_with("refused")) << answer;
  return answer == "valid";
}

}  // namespace flotilla::json::schema
