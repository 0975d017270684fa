// What the templates and expressions of a call see, and evaluating them.
//
// For: branches of a composition and everything else that renders a call from a request. `.` is `input`;
// `$path`,
// `$query`, `$headers` and `$body` are the request's. `{name}` in a template is `$path.name`.
// Ownership: a scope only points at values of its caller. Threads: a scope has one owner, an Expression is
// immutable. Limits: those of the expression language (steps, output).
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/expr/core/program.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::call {

struct RequestScope {
  const json::Value& input;
  const json::Value& path;   // an object of strings, percent-decoded: the route's parameters
  const json::Value& query;  // an object: the query's parameters, percent-decoded; a repeated one is an array
  const json::Value& headers;  // an object: lower-case names
  const json::Value& body;     // the parsed body; null without one
};

class Expression {
 public:
  // Errors: those of the compiler, with the position.
  [[nodiscard]] static Result<Expression> compile(std::string_view text);

  // The one value the expression gives. Errors: its own (`error`, a type, a budget), or none or several
  // values.
  [[nodiscard]] Result<json::Value> evaluate(const RequestScope& scope) const;

  // Whether the text has `$variable` in it, so that what nobody reads (a request's body) need not be read.
  [[nodiscard]] bool mentions(std::string_view variable) const;

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const expr::Program& program() const noexcept { return program_; }

 private:
  Expression(std::string_view text, expr::Program program) : text_(text), program_(std::move(program)) {}

  std::string text_;
  expr::Program program_;
};

}  // namespace flotilla::call
