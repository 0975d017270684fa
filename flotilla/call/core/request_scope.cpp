#include "flotilla/call/core/request_scope.hpp"

#include <array>

#include "flotilla/expr/core/evaluate.hpp"

namespace flotilla::call {
namespace {

constexpr std::array<std::string_view, 4> kVariables{"path", "query", "headers", "body"};

}  // namespace

Result<Expression> Expression::compile(std::string_view text) {
  auto program = expr::compile(text, kVariables);
  if (!program) {
    return std::unexpected(program.error().to_error());
  }
  return Expression(text, *std::move(program));
}

Result<json::Value> Expression::evaluate(const RequestScope& scope) const {
  const std::array<json::Value, kVariables.size()> variables{scope.path, scope.query, scope.headers,
                                                             scope.body};
  auto value = expr::evaluate_first(program_, scope.input, variables);
  if (!value) {
    return fail(Errc::invalid, value.error().message());
  }
  return *std::move(value);
}

bool Expression::mentions(std::string_view variable) const {
  for (std::size_t at = text_.find('$'); at != std::string::npos; at = text_.find('$', at + 1)) {
    if (std::string_view(text_).substr(at + 1).starts_with(variable)) {
      return true;
    }
  }
  return false;
}

}  // namespace flotilla::call
