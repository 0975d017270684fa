#include "flotilla/json/schema/schema.hpp"

#include <fmt/format.h>

#include "flotilla/json/schema/compiler.hpp"
#include "flotilla/json/schema/validator.hpp"

namespace flotilla::json {

Result<Schema> Schema::compile(const Value& document) {
  auto program = schema::Compiler(document).compile();
  if (!program) {
    return std::unexpected(std::move(program.error()));
  }
  return Schema(std::make_shared<const schema::Program>(std::move(*program)));
}

std::expected<void, Violations> Schema::validate(const Value& value, const ValidationLimits& limits) const {
  schema::Validator answer(*program_, limits.steps);
  if (answer.accepts(value)) {
    return {};
  }
  Violations violations;
  if (answer.stopped()) {
    violations.code = Errc::limit;
    violations.first.push_back(*answer.stopped());
    violations.total = 1;
    violations.complete = false;
    return std::unexpected(std::move(violations));
  }
  schema::Report report{.room = std::max<std::size_t>(limits.violations, 1)};
  schema::Validator description(*program_, limits.steps, &report);
  static_cast<void>(description.accepts(value));
  violations.complete = !description.stopped();
  if (report.total == 0) {  // the steps sufficed to find a fault, but not to find it again and describe it
    report.first.push_back({.instance_path = "", .schema_path = "", .message = "does not match"});
    report.total = 1;
  }
  violations.first = std::move(report.first);
  violations.total = report.total;
  return std::unexpected(std::move(violations));
}

std::string Violations::summary() const {
  const Violation& v = first.front();
  std::string out = fmt::format("{}: {}", v.instance_path.empty() ? "the whole" : v.instance_path, v.message);
  if (total > 1 || (code == Errc::invalid && !complete)) {
    out += fmt::format("; and {} more", total - 1);
    out += complete ? "" : " at least";
  }
  return out;
}

}  // namespace flotilla::json
