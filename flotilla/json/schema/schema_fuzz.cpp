#include "flotilla/json/schema/schema_fuzz.hpp"

#include "flotilla/base/assert.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/pointer.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json::fuzz {
namespace {

// Paths are cut where a name is long, so only whole ones can be followed.
void assert_exists(const Value& document, std::string_view pointer) {
  if (pointer.contains("...")) {
    return;
  }
  const Value* value = &document;
  while (!pointer.empty()) {
    const auto token = schema::take_token(pointer);
    FLOTILLA_ASSERT(token);
    value = schema::step_into(*value, *token);
    FLOTILLA_ASSERT(value != nullptr);
  }
}

}  // namespace

void schema(std::span<const std::byte> input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const std::string_view source = text.substr(0, text.find('\n'));
  const auto document = parse(source);
  if (!document) {
    return;
  }
  const auto compiled = Schema::compile(*document);
  if (!compiled) {
    FLOTILLA_ASSERT(compiled.error().message.starts_with('#'));
    return;
  }
  const Value value = parse(text.substr(std::min(source.size() + 1, text.size()))).value_or(Value());
  constexpr ValidationLimits limits{.steps = 20'000, .violations = 4};
  const auto verdict = compiled->validate(value, limits);
  const auto again = Schema::compile(*document)->validate(value, limits);
  FLOTILLA_ASSERT(verdict.has_value() == again.has_value());
  if (verdict) {
    return;
  }
  const Violations& told = verdict.error();
  FLOTILLA_ASSERT(told.first == again.error().first && told.total == again.error().total);
  FLOTILLA_ASSERT(!told.first.empty() && told.first.size() <= limits.violations &&
                  told.first.size() <= told.total && !told.summary().empty());
  for (const Violation& violation : told.first) {
    FLOTILLA_ASSERT(!violation.message.empty());
    assert_exists(value, violation.instance_path);
    assert_exists(*document, violation.schema_path);
  }
}

}  // namespace flotilla::json::fuzz
