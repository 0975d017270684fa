#include "flotilla/expr/core/expr_fuzz.hpp"

#include "flotilla/base/assert.hpp"
#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr::fuzz {

void program(std::span<const std::byte> input) {
  constexpr std::string_view names[] = {"event", "data"};
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const std::string_view source = text.substr(0, text.find('\n'));
  const auto compiled = compile(source, names);
  if (!compiled) {
    FLOTILLA_ASSERT(compiled.error().offset <= source.size() && !compiled.error().message.empty());
    return;
  }
  const auto body = json::parse(text.substr(std::min(source.size() + 1, text.size())));
  const json::Value value = body.value_or(json::Value());
  const json::Value variables[] = {json::Value::object({{"id", 7}}), value};
  constexpr Budget budget{.steps = 20'000, .output = 64U << 10};
  const auto outputs = evaluate(*compiled, value, variables, budget);
  const auto again = evaluate(*compiled, value, variables, budget);
  FLOTILLA_ASSERT(outputs.has_value() == again.has_value());
  if (!outputs) {
    FLOTILLA_ASSERT(outputs.error().message() == again.error().message());
    return;
  }
  FLOTILLA_ASSERT(*outputs == *again);
  for (const json::Value& v : *outputs) {
    const auto back = json::parse(json::write(v), {.depth = json::Value::kMaxDepth});
    FLOTILLA_ASSERT(back && *back == v);
  }
  const auto first = evaluate_first(*compiled, value, variables, budget);
  FLOTILLA_ASSERT(first && *first == (outputs->empty() ? json::Value() : outputs->front()));
}

}  // namespace flotilla::expr::fuzz
