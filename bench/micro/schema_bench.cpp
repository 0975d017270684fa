// What a schema costs: compiling one of ordinary size once, judging the body of an order of some 300 bytes
// on every request, and telling what is wrong with one.
#include <string_view>

#include <benchmark/benchmark.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json {
namespace {

constexpr std::string_view kSchema = R"({
  "type": "object", "required": ["order_id", "user_id", "items", "total"], "additionalProperties": false,
  "properties": {
    "order_id": {"type": "string", "pattern": "^order-[0-9]+$"},
    "user_id": {"type": "string", "format": "uuid"},
    "placed": {"type": "string", "format": "date-time"},
    "total": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
    "items": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/definitions/item"}}
  },
  "definitions": {"item": {"type": "object", "required": ["sku", "quantity"], "properties": {
    "sku": {"type": "string", "minLength": 1, "maxLength": 40},
    "quantity": {"type": "integer", "minimum": 1},
    "price": {"type": "number", "multipleOf": 0.01}}}}
})";
constexpr std::string_view kGood =
    R"({"order_id":"order-4711","user_id":"123e4567-e89b-12d3-a456-426614174000","placed":"2024-06-11T10:20:30Z",)"
    R"("items":[{"sku":"blue-mug","quantity":2,"price":9.95},{"sku":"red-mug","quantity":1,"price":12.50},)"
    R"({"sku":"tea-pot-large","quantity":1,"price":87.60}],"total":120.00})";
constexpr std::string_view kBad =
    R"({"order_id":"4711","user_id":"123e4567-e89b-12d3-a456-426614174000","items":[{"sku":"","quantity":2.5}]})";

void compile(benchmark::State& state) {
  const auto document = parse(kSchema);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Schema::compile(*document));
  }
}
BENCHMARK(compile);

void validate(benchmark::State& state, std::string_view body, bool expected) {
  const auto schema = Schema::compile(parse(kSchema).value_or(Value()));
  const auto value = parse(body);
  if (!schema || !value || schema->validate(*value).has_value() != expected) {
    state.SkipWithError("the schema or the body is not what this measures");
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(schema->validate(*value));
  }
}
BENCHMARK_CAPTURE(validate, good, kGood, true);
BENCHMARK_CAPTURE(validate, bad, kBad, false);

}  // namespace
}  // namespace flotilla::json

BENCHMARK_MAIN();
