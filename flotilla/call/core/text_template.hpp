// Text with holes: `order:{.input.order_id}`, `users/{id}`.
//
// For: the targets (call_template.hpp) and headers of calls, and keys that are templates. `{name}` is the
// parameter of that name of the route's path; `{.expr}` and `{$variable...}`, to the balancing brace, are
// expressions. A brace that is not part of a hole is an error, so that a typing mistake is never sent as
// text. Ownership: a value. Threads: immutable after parse. Limits: 8 KiB of text, 64 holes.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/call/core/request_scope.hpp"

namespace flotilla::call {

inline constexpr std::size_t kMaxTemplateBytes = 8192;
inline constexpr std::size_t kMaxTemplateHoles = 64;

struct TemplatePart {
  enum class Kind : std::uint8_t { literal, parameter, expression };
  Kind kind = Kind::literal;
  std::string text;        // the literal, the parameter's name, or the expression without its braces
  std::size_t column = 1;  // of its first character in the text given to parse, from 1
  std::optional<Expression> expression = {};
};

// The parts of `text` from offset `from` on, in order, without empty literals.
// Errors: Errc::invalid or limit, with the column in `text`.
[[nodiscard]] Result<std::vector<TemplatePart>> parse_template(std::string_view text, std::size_t from = 0);

// Why nothing is sent.
struct RenderFault {
  enum class Cause : std::uint8_t {
    request,  // a parameter, or an expression over `$...`: what the client sent
    answer,   // an expression over `.`: what services answered
  };
  Cause cause;
  std::string message;  // names the hole
};

// The text of a hole's value: a string as it is, a number as written, true or false. A value that is null,
// missing or empty, an array, an object, or a failing expression is a fault: it would address another thing
// than was meant.
[[nodiscard]] std::expected<std::string, RenderFault> render_hole(const TemplatePart& part,
                                                                  const RequestScope& scope);

// Whether an expression in `parts` mentions the variable of that name (without '$').
[[nodiscard]] bool mentions(std::span<const TemplatePart> parts, std::string_view variable);

// A whole text rendered without any encoding, for headers and keys.
class TextTemplate {
 public:
  [[nodiscard]] static Result<TextTemplate> parse(std::string_view text);
  // Control characters in a value are a fault: no header is split by one.
  [[nodiscard]] std::expected<std::string, RenderFault> render(const RequestScope& scope) const;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::vector<TemplatePart>& parts() const noexcept { return parts_; }

 private:
  std::string text_;
  std::vector<TemplatePart> parts_;
};

}  // namespace flotilla::call
