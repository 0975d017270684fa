// Judging a valid value allocates nothing: this program's operator new counts. Not under sanitizers, whose
// own operator new must meet its own operator delete.
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "flotilla/json/schema/test_support.hpp"

namespace {
thread_local std::size_t allocations = 0;
}

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
// They come in pairs, as the standard asks; the others call these.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) {
    return p;
  }
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t /*size*/) noexcept { std::free(p); }
#define FLOTILLA_COUNTS_ALLOCATIONS
#endif

namespace flotilla::json::schema {
namespace {

TEST(SchemaAllocation, AValidValueCostsNone) {
#ifndef FLOTILLA_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "not under a sanitizer";
#endif
  const auto schema = Schema::compile(read(R"({
    "type": "object", "required": ["id", "list"], "additionalProperties": false, "minProperties": 1,
    "properties": {
      "id": {"type": "string", "pattern": "^[a-z]+-[0-9]+$", "maxLength": 40, "format": "hostname"},
      "list": {"uniqueItems": true, "contains": {"const": 3}, "items": {"$ref": "#/definitions/n"}},
      "next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}},
    "patternProperties": {"^x-": {"enum": [1, "a", {"b": [2]}]}},
    "propertyNames": {"maxLength": 10},
    "definitions": {"n": {"oneOf": [{"type": "integer", "multipleOf": 1}, {"not": {"type": "number"}}]}}
  })"));
  ASSERT_TRUE(schema) << schema.error().message;
  const Value value =
      read(R"({"id": "order-123456789012345", "list": [1, 2, 3, "a", [4], {"c": 5}], "x-b": {"b": [2]},
      "next": {"id": "order-2", "list": [3], "next": null}})");
  ASSERT_TRUE(schema->validate(value));  // RE2 builds the states of its automaton when it first meets a text
  const std::size_t before = allocations;
  const bool valid = schema->validate(value).has_value();
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(valid);
  // The counter counts: what is invalid is described.
  EXPECT_FALSE(schema->validate(read("[]")));
  EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace flotilla::json::schema
