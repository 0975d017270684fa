// The errors of evaluation in jq's words, where jq has words for them. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

[[nodiscard]] std::unexpected<EvalError> type_error(std::string message);
[[nodiscard]] std::unexpected<EvalError> number_error(std::string message);
// "the expression needs more than its budget of steps"
[[nodiscard]] std::unexpected<EvalError> out_of_steps();
// "a value grew over 16 MiB or 256 levels"
[[nodiscard]] std::unexpected<EvalError> too_large();

// `number (12)`, `array ([1,2,3,4...)`: the kind and the start of the text.
[[nodiscard]] std::string describe(const json::Value& value);

}  // namespace flotilla::expr
