#include "flotilla/expr/core/parser.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::expr {

Parser::Parser(std::string_view source, std::span<const std::string_view> variables) : source_(source) {
  for (const std::string_view name : variables) {
    declare(name);
  }
  build_.code().given = build_.code().slots;
}

std::expected<Code, CompileError> Parser::run() {
  if (source_.size() > kMaxSource) {
    fail(0, fmt::format("an expression of {} bytes is over the limit of {}", source_.size(), kMaxSource));
    return std::unexpected(std::move(*error_));
  }
  for (std::size_t at = 0; at < source_.size();) {
    const std::size_t length = json::utf8_sequence(source_, at);
    if (length == 0) {
      fail(at, "the expression is not UTF-8");
      return std::unexpected(std::move(*error_));
    }
    at += length;
  }
  advance();
  if (token_.kind == TokenKind::end) {
    fail(0, "the expression is empty; `.` gives the input as it is");
  }
  const NodeId root = failed() ? kNone : pipe();
  if (!failed() && token_.kind != TokenKind::end) {
    unexpected("an operator or the end");
  }
  if (!failed() && build_.at(root).levels > kMaxLevels) {
    fail(0, fmt::format("the expression needs more than {} levels of evaluation", kMaxLevels));
  }
  if (failed()) {
    return std::unexpected(std::move(*error_));
  }
  build_.code().root = root;
  return std::move(build_.code());
}

NodeId Parser::fail(std::size_t offset, std::string message) {
  if (!failed()) {  // the first error is the one to show
    CompileError error{.offset = offset, .message = std::move(message)};
    for (std::size_t i = 0; i < offset; ++i) {
      if (source_[i] == '\n') {
        ++error.line;
        error.column = 1;
      } else if ((static_cast<unsigned char>(source_[i]) & 0xc0U) != 0x80U) {
        ++error.column;
      }
    }
    error_ = std::move(error);
  }
  return kNone;
}

NodeId Parser::unexpected(std::string_view wanted) {
  constexpr std::array<std::string_view, 7> assignments{"=", "|=", "+=", "-=", "*=", "/=", "%="};
  if (token_.kind == TokenKind::end) {
    return fail(token_.offset, fmt::format("the expression ends where {} belongs", wanted));
  }
  if (token_.kind == TokenKind::symbol && std::ranges::find(assignments, token_.text) != assignments.end()) {
    return fail(token_.offset,
                fmt::format("{} is not part of the language; compare with ==, or build a new object: "
                            ". + {{key: value}}",
                            token_.text));
  }
  return fail(token_.offset, fmt::format("expected {}, not {}", wanted, token_.text));
}

void Parser::advance() {
  token_ = next_token(source_, token_end_);
  token_end_ = static_cast<std::size_t>(token_.text.data() - source_.data()) + token_.text.size();
  if (token_.kind == TokenKind::bad) {
    const std::size_t length = json::utf8_sequence(source_, token_.offset);
    fail(token_.offset, fmt::format("{} does not belong here", source_.substr(token_.offset, length)));
  }
  if (build_.code().nodes.size() > kMaxNodes) {
    fail(token_.offset, "the expression is too long");
  }
}

bool Parser::accept(std::string_view symbol) {
  const bool there = token_.is(symbol) && !failed();
  if (there) {
    advance();
  }
  return there && !failed();
}

bool Parser::accept_word(std::string_view word) {
  const bool there = token_.is_word(word) && !failed();
  if (there) {
    advance();
  }
  return there && !failed();
}

bool Parser::expect(std::string_view symbol, std::string_view where) {
  if (!failed() && !token_.is(symbol)) {
    unexpected(fmt::format("{} {}", symbol, where));
  }
  return accept(symbol);
}

bool Parser::expect_word(std::string_view word, std::string_view where) {
  if (!failed() && !token_.is_word(word)) {
    unexpected(fmt::format("`{}` {}", word, where));
  }
  return accept_word(word);
}

NodeId Parser::pipe() {
  const Nested nested(*this);
  if (failed()) {
    return kNone;
  }
  std::vector<NodeId> stages{commas_ ? comma() : alternative()};
  while (accept("|")) {
    stages.push_back(commas_ ? comma() : alternative());
  }
  if (failed()) {
    return kNone;
  }
  NodeId whole = stages.back();
  for (std::size_t i = stages.size() - 1; i-- > 0;) {
    whole = build_.binary(Op::pipe, stages[i], whole);
  }
  return whole;
}

NodeId Parser::comma() {
  const NodeId first = alternative();
  if (failed() || !token_.is(",")) {
    return first;
  }
  std::vector<std::uint32_t> parts{first};
  while (accept(",")) {
    parts.push_back(alternative());
  }
  return failed() ? kNone : build_.over_list(Op::comma, parts);
}

NodeId Parser::alternative() {
  const NodeId left = disjunction();
  if (!accept("//")) {
    return left;
  }
  const Nested nested(*this);  // it binds to the right, so a chain nests
  const NodeId right = failed() ? kNone : alternative();
  return failed() ? kNone : build_.binary(Op::alternative, left, right);
}

NodeId Parser::disjunction() {
  NodeId left = conjunction();
  while (accept_word("or")) {
    const NodeId right = conjunction();
    left = failed() ? kNone : build_.binary(Op::either, left, right);
  }
  return failed() ? kNone : left;
}

NodeId Parser::conjunction() {
  NodeId left = comparison();
  while (accept_word("and")) {
    const NodeId right = comparison();
    left = failed() ? kNone : build_.binary(Op::both, left, right);
  }
  return failed() ? kNone : left;
}

NodeId Parser::comparison() {
  constexpr std::pair<std::string_view, Op> operators[] = {{"==", Op::equal},  {"!=", Op::not_equal},
                                                           {"<", Op::less},    {"<=", Op::less_or_equal},
                                                           {">", Op::greater}, {">=", Op::greater_or_equal}};
  const NodeId left = sum();
  for (const auto& [symbol, op] : operators) {
    if (!accept(symbol)) {
      continue;
    }
    const NodeId right = sum();
    const bool chained = std::ranges::any_of(operators, [&](const auto& o) { return token_.is(o.first); });
    if (!failed() && chained) {
      return fail(token_.offset, "comparisons do not chain; use `and`, or parentheses");
    }
    return failed() ? kNone : build_.binary(op, left, right);
  }
  return failed() ? kNone : left;
}

NodeId Parser::sum() {
  NodeId left = product();
  while (!failed()) {
    const Op op = token_.is("+") ? Op::add : Op::subtract;
    if (!accept("+") && !accept("-")) {
      break;
    }
    const NodeId right = product();
    left = failed() ? kNone : build_.binary(op, left, right);
  }
  return failed() ? kNone : left;
}

NodeId Parser::product() {
  NodeId left = negation();
  while (!failed()) {
    const Op op = token_.is("*") ? Op::multiply : token_.is("/") ? Op::divide : Op::modulo;
    if (!accept("*") && !accept("/") && !accept("%")) {
      break;
    }
    const NodeId right = negation();
    left = failed() ? kNone : build_.binary(op, left, right);
  }
  return failed() ? kNone : left;
}

// The sign is looser than * and /, as in jq; on numbers that makes no difference.
NodeId Parser::negation() {
  if (!accept("-")) {
    return postfix();
  }
  const Nested nested(*this);
  const NodeId operand = failed() ? kNone : product();
  if (failed()) {
    return kNone;
  }
  const json::Value* constant = build_.literal_of(operand);
  if (constant != nullptr && constant->is_number() && json::compare(*constant, 0) > 0) {
    return build_.literal(json::Value::number(fmt::format("-{}", constant->number_text())));
  }
  return build_.unary(Op::negate, operand);
}

NodeId Parser::postfix() {
  const NodeId base = term();
  const NodeId whole = failed() ? kNone : suffixes(base);
  return !failed() && token_.is_word("as") ? binding(whole) : whole;
}

NodeId Parser::suffixes(NodeId base) {
  while (!failed()) {
    if (token_.kind == TokenKind::field) {
      base = build_.field(base, token_.text);
      advance();
    } else if (accept(".")) {
      if (token_.kind == TokenKind::quote) {
        const NodeId key = string(Function::none);
        base = failed() ? kNone : build_.binary(Op::index, base, key);
      } else if (!token_.is("[")) {
        return unexpected("a key, \"key\" or [index] after the dot");
      }
    } else if (token_.is("[")) {
      base = bracket(base);
    } else if (accept("?")) {
      const Op op = build_.at(base).op;
      const bool access = op == Op::field || op == Op::index || op == Op::slice || op == Op::iterate;
      if (access && !build_.at(base).optional && base + 1 == build_.code().nodes.size()) {
        build_.make_optional(base);
      } else {
        base = build_.unary(Op::attempt, base);
      }
    } else {
      break;
    }
  }
  return failed() ? kNone : base;
}

// [], [key], [from:to] after a term.
NodeId Parser::bracket(NodeId base) {
  const Nested nested(*this);
  accept("[");
  if (accept("]")) {
    return build_.unary(Op::iterate, base);
  }
  const bool outer = std::exchange(commas_, true);
  const NodeId from = failed() || token_.is(":") ? kNone : pipe();
  NodeId result = kNone;
  if (accept(":")) {
    const NodeId to = token_.is("]") && from != kNone ? kNone : pipe();
    result = failed() ? kNone : build_.add({.op = Op::slice, .a = base, .b = from, .c = to});
  } else if (!failed()) {
    const json::Value* key = build_.literal_of(from);
    result = key != nullptr && key->is_string()
                 ? build_.add({.op = Op::field, .a = base, .b = build_.at(from).a})
                 : build_.binary(Op::index, base, from);
  }
  commas_ = outer;
  return expect("]", "after the index") ? result : kNone;
}

NodeId Parser::term() {
  switch (token_.kind) {
    case TokenKind::field: {
      const NodeId base = build_.identity();
      const NodeId result = build_.field(base, token_.text);
      advance();
      return result;
    }
    case TokenKind::name:
      return word();
    case TokenKind::variable:
      return variable();
    case TokenKind::number:
      return number();
    case TokenKind::quote:
      return string(Function::none);
    case TokenKind::format:
      return format();
    default:
      break;
  }
  if (token_.is("[")) {
    return array();
  }
  if (token_.is("{")) {
    return object();
  }
  if (accept("(")) {
    const bool outer = std::exchange(commas_, true);
    const NodeId inner = pipe();
    commas_ = outer;
    return expect(")", "to close the parenthesis") ? inner : kNone;
  }
  if (token_.is("..")) {
    return fail(token_.offset, ".. is not part of the language; name the path, or use .[]");
  }
  if (accept(".")) {
    const NodeId base = build_.identity();
    if (token_.kind != TokenKind::quote) {
      return failed() ? kNone : base;
    }
    const NodeId key = string(Function::none);
    return failed() ? kNone : build_.binary(Op::index, base, key);
  }
  return unexpected("a value");
}

}  // namespace flotilla::expr
