// The parser: source text to Code, by recursive descent over jq's grammar and precedences.
//
// For: compile(). Ownership, threads: one use. Limits: kMaxNesting of parentheses, brackets, strings and
// operators that nest, so hostile text cannot overflow the stack.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/expr/core/builder.hpp"
#include "flotilla/expr/core/lexer.hpp"
#include "flotilla/expr/core/program.hpp"

namespace flotilla::expr {

class Parser {
 public:
  static constexpr std::size_t kMaxNesting = 200;
  static constexpr std::size_t kMaxSource = 64U << 10;

  Parser(std::string_view source, std::span<const std::string_view> variables);
  [[nodiscard]] std::expected<Code, CompileError> run();

 private:
  class Nested;
  struct Binding {
    std::string_view name;
    std::uint32_t slot;
  };

  // Every parse function gives kNone once failed() is true.
  [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
  NodeId fail(std::size_t offset, std::string message);
  NodeId unexpected(std::string_view wanted);
  void advance();
  bool accept(std::string_view symbol);
  bool accept_word(std::string_view word);
  bool expect(std::string_view symbol, std::string_view where);
  bool expect_word(std::string_view word, std::string_view where);
  [[nodiscard]] static bool is_keyword(std::string_view word) noexcept;

  // parser.cpp: operators, loosest first.
  NodeId pipe();
  NodeId comma();
  NodeId alternative();
  NodeId disjunction();
  NodeId conjunction();
  NodeId comparison();
  NodeId sum();
  NodeId product();
  NodeId negation();
  NodeId postfix();
  NodeId suffixes(NodeId base);
  NodeId bracket(NodeId base);
  NodeId term();

  // parser_terms.cpp: terms that are more than an operator.
  NodeId word();
  NodeId variable();
  NodeId number();
  NodeId array();
  NodeId object();
  bool object_entry(std::vector<std::uint32_t>& entries);
  NodeId object_value();
  NodeId string(Function format);
  bool string_piece(std::string& piece, bool& interpolation);
  NodeId format();
  NodeId condition();
  NodeId attempt();
  NodeId reduction();
  NodeId binding(NodeId source);
  NodeId pattern();
  bool object_pattern_entry(std::vector<std::uint32_t>& entries);
  std::uint32_t declare(std::string_view name);

  // parser_calls.cpp: functions.
  NodeId call(std::string_view name, std::size_t offset);
  bool call_arguments(std::vector<std::uint32_t>& arguments);
  NodeId built(Function function, std::span<const NodeId> arguments, std::size_t offset);
  NodeId value_call(Function function, std::span<const NodeId> arguments, std::size_t offset);
  NodeId quantifier(Op op, std::span<const NodeId> arguments);
  NodeId element_at(std::int64_t index);

  std::string_view source_;
  Builder build_;
  Token token_;
  std::size_t token_end_ = 0;
  std::size_t nesting_ = 0;
  bool commas_ = true;  // whether a comma belongs to the expression (not in an object's values)
  std::vector<Binding> scope_;
  std::optional<CompileError> error_;
};

// Counts a level of nesting while it lives.
class Parser::Nested {
 public:
  explicit Nested(Parser& parser) : parser_(parser) {
    if (++parser_.nesting_ > kMaxNesting) {
      parser_.fail(parser_.token_.offset, "nested more than " + std::to_string(kMaxNesting) + " levels deep");
    }
  }
  ~Nested() { --parser_.nesting_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Parser& parser_;
};

}  // namespace flotilla::expr
