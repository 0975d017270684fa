#include "flotilla/call/core/request_scope.hpp"

namespace flotilla::call {

// Until the expression language is in: templates with `{name}` work, expressions are refused when they are read.
Result<Expression> Expression::compile(std::string_view) {
  return fail(Errc::unsupported, "expressions are not in this build");
}

Result<json::Value> Expression::evaluate(const RequestScope&) const {
  return fail(Errc::unsupported, "expressions are not in this build");
}

}  // namespace flotilla::call
