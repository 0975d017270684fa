#include "flotilla/expr/core/program.hpp"

#include <fmt/format.h>

#include "flotilla/expr/core/parser.hpp"

namespace flotilla::expr {

Error CompileError::to_error() const {
  return {Errc::invalid, line == 1 ? fmt::format("column {}: {}", column, message)
                                   : fmt::format("line {}, column {}: {}", line, column, message)};
}

std::size_t Program::variable_count() const noexcept { return code_->given; }

std::expected<Program, CompileError> compile(std::string_view source,
                                             std::span<const std::string_view> variables) {
  auto code = Parser(source, variables).run();
  if (!code) {
    return std::unexpected(std::move(code.error()));
  }
  return Program(std::make_shared<const Code>(std::move(*code)));
}

}  // namespace flotilla::expr
