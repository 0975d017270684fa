// Evaluating a compiled expression.
//
// For: whoever holds a Program. Pure: the same program, input and variables give the same outputs.
// Ownership: outputs share the blocks of the input where they copy from it. Threads: any.
// Limits: a Budget of steps and of output. A step is one operation, or some 256 bytes of text or eight
// elements moved by it: 100,000 steps take a few milliseconds. A value made on the way has at most 16 MiB of
// text and 256 levels. Nothing catches an exhausted budget, `try` included.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "flotilla/expr/core/program.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

struct Budget {
  std::uint32_t steps = 100'000;
  std::size_t output = 256U << 10;  // bytes of all outputs as compact JSON, before escapes
};

enum class ErrorKind : std::uint8_t {
  raised,  // by `error`: `value` is what it was given
  type,    // an operation met values it is not for: "null (null) has no keys"
  number,  // a result that cannot be held: overflow, division by zero
  budget,  // too many steps, too much output, too large or deep a value
};

struct EvalError {
  ErrorKind kind = ErrorKind::type;
  json::Value value;  // what `catch` would see; a message unless `raised` with something else

  // One sentence for people.
  [[nodiscard]] std::string message() const;
};

// All outputs, in order. `variables` are the values of the names given to compile (as many: asserted).
[[nodiscard]] std::expected<std::vector<json::Value>, EvalError> evaluate(
    const Program& program, const json::Value& input, std::span<const json::Value> variables = {},
    Budget budget = {});

// The first output, after which evaluation stops; null if there is none. For shapes, bodies, keys.
[[nodiscard]] std::expected<json::Value, EvalError> evaluate_first(
    const Program& program, const json::Value& input, std::span<const json::Value> variables = {},
    Budget budget = {});

}  // namespace flotilla::expr
