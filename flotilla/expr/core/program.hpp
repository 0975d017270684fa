// A compiled expression: the language of docs/expressions.md, a total subset of jq over json::Value.
//
// For: shapes, bodies, conditions, folds, keys and filters of the configuration: compiled once, evaluated
// often. Ownership: a Program shares its immutable code; copying is cheap. Threads: any number may evaluate
// one Program at once.
// Limits: source of 64 KiB, nesting of 200 in the text and kMaxLevels in evaluation, so no program can
// overflow the stack; no recursion in the language, so every program ends.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::expr {

struct CompileError {
  std::size_t offset = 0;  // in bytes, where a caret belongs; may be the end of the source
  std::size_t column = 1;  // in characters, from 1, in its line
  std::size_t line = 1;
  std::string message;  // "unknown function lenght; did you mean length?"

  // "column 7: MESSAGE", or "line 2, column 7: MESSAGE" for a source of several lines.
  [[nodiscard]] Error to_error() const;
};

struct Code;

class Program {
 public:
  explicit Program(std::shared_ptr<const Code> code) noexcept : code_(std::move(code)) {}
  [[nodiscard]] const Code& code() const noexcept { return *code_; }
  // How many values evaluation must be given for the caller's variables.
  [[nodiscard]] std::size_t variable_count() const noexcept;

 private:
  std::shared_ptr<const Code> code_;
};

// `variables` are the names, without `$`, that the caller supplies at each evaluation, in this order; any
// other `$name` that the source does not bind is an error.
[[nodiscard]] std::expected<Program, CompileError> compile(std::string_view source,
                                                           std::span<const std::string_view> variables = {});

}  // namespace flotilla::expr
