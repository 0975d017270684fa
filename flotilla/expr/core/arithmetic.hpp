// The operators of the language on values, with jq's rules for each pair of kinds.
//
// Numbers: where both are 64-bit integers and so is the exact result, it is that integer; where it would not
// fit, an error. Otherwise decimals of 34 digits (json/decimal.hpp). Pure.
#pragma once

#include "flotilla/expr/core/functions.hpp"
#include "flotilla/expr/core/meter.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

// Each takes `a` by value so that an array or string nobody else holds grows in place.
[[nodiscard]] Outcome add(json::Value a, const json::Value& b, Meter& meter);
[[nodiscard]] Outcome subtract(const json::Value& a, const json::Value& b, Meter& meter);
[[nodiscard]] Outcome multiply(const json::Value& a, const json::Value& b, Meter& meter);
[[nodiscard]] Outcome divide(const json::Value& a, const json::Value& b, Meter& meter);
[[nodiscard]] Outcome modulo(const json::Value& a, const json::Value& b);
[[nodiscard]] Outcome negate(const json::Value& a);
[[nodiscard]] Outcome floor(const json::Value& a);

// The text cut at each separator; at each character if that is empty. An empty text has no parts.
[[nodiscard]] Outcome split(std::string_view text, std::string_view separator, Meter& meter);

}  // namespace flotilla::expr
