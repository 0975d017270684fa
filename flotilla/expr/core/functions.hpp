// The functions of the language by name, and those among them that turn values into a value.
//
// For: the parser (names, numbers of arguments, hints) and the interpreter. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/expr/core/meter.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

class Pattern;

enum class Function : std::uint8_t {
  none,
  // Functions of the input and of argument values:
  length,
  keys,
  has,
  add,
  to_entries,
  from_entries,
  split,
  join,
  test,
  ascii_downcase,
  tostring,
  tonumber,
  tojson,
  fromjson,
  uri,
  base64,
  flatten,
  index,
  startswith,
  endswith,
  ltrimstr,
  rtrimstr,
  floor,
  logical_not,
  error,
  type,
  sort,
  unique,
  min,
  max,
  // Functions of expressions, which the interpreter knows:
  map,
  select,
  any,
  all,
  sort_by,
  group_by,
  unique_by,
  min_by,
  max_by,
  with_entries,
  del,
  limit,
  first,
  last,
  range,
  empty,
};

// The function called `name`, or nothing; "@uri" and "@base64" are found with their at sign.
[[nodiscard]] std::optional<Function> find_function(std::string_view name) noexcept;
[[nodiscard]] std::span<const std::string_view> function_names() noexcept;

// Least and most arguments.
struct Arity {
  std::uint8_t least;
  std::uint8_t most;
};
[[nodiscard]] Arity arity_of(Function function) noexcept;

using Outcome = std::expected<json::Value, EvalError>;

// Applies a function of values. `pattern`: the compiled first argument of `test`, where it was a literal.
[[nodiscard]] Outcome apply(Function function, const json::Value& input,
                            std::span<const json::Value> arguments, const Pattern* pattern, Meter& meter);

// The text of a value in an interpolated string: strings as they are, else JSON; escaped by `format`
// (none, uri or base64).
[[nodiscard]] Outcome interpolated(Function format, const json::Value& value, Meter& meter);

}  // namespace flotilla::expr
