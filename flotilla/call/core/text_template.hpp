// Text with holes: `order:{.input.order_id}`, `users/{id}`.
//
// For: the targets and headers of calls (call_template.hpp), and the keys that are templates (`locks`, an
// action's `key`). `{name}` is the parameter of that name of the route's path; `{.expr}` and
// `{$variable...}`, to the balancing brace, are expressions. A brace that is not part of a hole is an error,
// so that a typing mistake is never sent as text. Ownership: a value. Threads: immutable after parse. Limits:
// 8 KiB of text, 64 holes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"

namespace flotilla::call {

inline constexpr std::size_t kMaxTemplateBytes = 8192;
inline constexpr std::size_t kMaxTemplateHoles = 64;

struct TemplatePart {
  enum class Kind : std::uint8_t { literal, parameter, expression };
  Kind kind = Kind::literal;
  std::string text;        // the literal, the parameter's name, or the expression without its braces
  std::size_t column = 1;  // of its first character in the text given to parse, from 1
};

// The parts of `text` in order, without empty literals. Errors: Errc::invalid or limit, naming the column.
[[nodiscard]] Result<std::vector<TemplatePart>> parse_template(std::string_view text);

}  // namespace flotilla::call
