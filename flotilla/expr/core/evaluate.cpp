#include "flotilla/expr/core/evaluate.hpp"

#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/interpreter.hpp"

namespace flotilla::expr {
namespace {

std::unexpected<EvalError> too_much_output(std::size_t limit) {
  return std::unexpected(EvalError{ErrorKind::budget, json::Value("the expression's output is over " +
                                                                  std::to_string(limit / 1024) + " KiB")});
}

}  // namespace

std::expected<std::vector<json::Value>, EvalError> evaluate(const Program& program, const json::Value& input,
                                                            std::span<const json::Value> variables,
                                                            Budget budget) {
  FLOTILLA_ASSERT(variables.size() == program.variable_count());
  Interpreter interpreter(program.code(), variables, budget);
  std::vector<json::Value> outputs;
  std::uint64_t bytes = 0;
  const bool done = interpreter.each(program.code().root, input, [&](json::Value&& value) {
    bytes += value.text_size();
    outputs.push_back(std::move(value));
    return bytes <= budget.output;
  });
  if (!done) {
    return interpreter.failed() ? std::unexpected(interpreter.take_error()) : too_much_output(budget.output);
  }
  return outputs;
}

std::expected<json::Value, EvalError> evaluate_first(const Program& program, const json::Value& input,
                                                     std::span<const json::Value> variables, Budget budget) {
  FLOTILLA_ASSERT(variables.size() == program.variable_count());
  Interpreter interpreter(program.code(), variables, budget);
  json::Value first;
  interpreter.each(program.code().root, input, [&](json::Value&& value) {
    first = std::move(value);
    return false;
  });
  if (interpreter.failed()) {
    return std::unexpected(interpreter.take_error());
  }
  if (first.text_size() > budget.output) {
    return too_much_output(budget.output);
  }
  return first;
}

}  // namespace flotilla::expr
