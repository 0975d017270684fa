// Terms: literals, strings, arrays, objects, `if`, `try`, `reduce`, `as`.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/expr/core/parser.hpp"
#include "flotilla/json/number.hpp"
#include "flotilla/json/scan.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::expr {

bool Parser::is_keyword(std::string_view word) noexcept {
  constexpr std::string_view keywords[] = {"if",     "then",    "elif",   "else",   "end", "as",
                                           "reduce", "foreach", "try",    "catch",  "and", "or",
                                           "def",    "label",   "import", "include"};
  return std::ranges::find(keywords, word) != std::end(keywords);
}

NodeId Parser::word() {
  const Token name = token_;
  if (accept_word("if")) {
    return condition();
  }
  if (accept_word("try")) {
    return attempt();
  }
  if (accept_word("reduce")) {
    return reduction();
  }
  for (const std::string_view missing : {"def", "foreach", "label", "import", "include"}) {
    if (token_.is_word(missing)) {
      return fail(name.offset, fmt::format("{} is not part of the language", missing));
    }
  }
  if (is_keyword(name.text)) {
    return unexpected("a value");
  }
  advance();
  if (name.text == "null") {
    return build_.literal(nullptr);
  }
  if (name.text == "true" || name.text == "false") {
    return build_.literal(name.text == "true");
  }
  return failed() ? kNone : call(name.text, name.offset);
}

NodeId Parser::variable() {
  const auto found =
      std::find_if(scope_.rbegin(), scope_.rend(), [&](const Binding& b) { return b.name == token_.text; });
  if (found != scope_.rend()) {
    advance();
    return build_.add({.op = Op::variable, .a = found->slot});
  }
  std::vector<std::string_view> names;
  for (const Binding& b : scope_) {
    names.push_back(b.name);
  }
  const auto hint = nearest(token_.text, names);
  return fail(token_.offset, hint ? fmt::format("unknown variable ${}; did you mean ${}?", token_.text, *hint)
                                  : fmt::format("unknown variable ${}", token_.text));
}

// jq also takes .5, 5. and 007; the value has JSON's form.
NodeId Parser::number() {
  const std::string_view text = token_.text;
  const std::size_t exponent = std::min(text.find_first_of("eE"), text.size());
  const std::size_t dot = std::min(text.find('.'), exponent);
  std::string_view whole = text.substr(0, dot);
  whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.empty() ? 0 : whole.size() - 1));
  const std::string_view fraction = dot < exponent ? text.substr(dot + 1, exponent - dot - 1) : "";
  const std::string written = fmt::format("{}{}{}{}", whole.empty() ? "0" : whole,
                                          fraction.empty() ? "" : ".", fraction, text.substr(exponent));
  if (!json::is_number(written)) {
    return fail(token_.offset,
                fmt::format("{} has more than {} digits of exponent", text, json::kExponentDigits));
  }
  advance();
  return build_.literal(json::Value::number(written));
}

NodeId Parser::array() {
  const Nested nested(*this);
  accept("[");
  if (accept("]")) {
    return build_.unary(Op::array, kNone);
  }
  const bool outer = std::exchange(commas_, true);
  const NodeId inner = failed() ? kNone : pipe();
  commas_ = outer;
  return expect("]", "to close the array") ? build_.unary(Op::array, inner) : kNone;
}

NodeId Parser::object() {
  const Nested nested(*this);
  std::vector<std::uint32_t> entries;
  accept("{");
  if (!token_.is("}")) {
    do {
      if (failed() || !object_entry(entries)) {
        return kNone;
      }
    } while (accept(","));
  }
  return expect("}", "or , after an entry of the object") ? build_.over_list(Op::object, entries, 2) : kNone;
}

// name, "name", $name (each alone or with a value), (expression): value.
bool Parser::object_entry(std::vector<std::uint32_t>& entries) {
  NodeId key = kNone;
  NodeId value = kNone;
  if (token_.kind == TokenKind::variable) {
    key = build_.literal(token_.text);
    value = variable();
  } else if (token_.kind == TokenKind::name) {
    key = build_.literal(token_.text);
    value = build_.field(build_.identity(), token_.text);
    advance();
  } else if (token_.kind == TokenKind::quote || token_.kind == TokenKind::format) {
    const std::size_t start = token_.offset;
    key = token_.kind == TokenKind::quote ? string(Function::none) : format();
    if (!failed() && build_.at(key).op == Op::call) {
      fail(start, "a key is a name, a string, $name or (an expression)");
    }
    value = failed() ? kNone : build_.binary(Op::index, build_.identity(), key);
  } else if (accept("(")) {
    const bool outer = std::exchange(commas_, true);
    key = pipe();
    commas_ = outer;
    if (!expect(")", "to close the key") || (!token_.is(":") && unexpected(": and a value") == kNone)) {
      return false;
    }
  } else {
    unexpected("a key: a name, a string, $name or (an expression)");
  }
  if (accept(":")) {
    value = object_value();
  }
  entries.push_back(key);
  entries.push_back(value);
  return !failed();
}

NodeId Parser::object_value() {
  const bool outer = std::exchange(commas_, false);
  const NodeId value = pipe();
  commas_ = outer;
  return value;
}

NodeId Parser::format() {
  const auto function = find_function(token_.text);
  if (!function) {
    return fail(token_.offset, fmt::format("unknown format {}; there are @uri and @base64", token_.text));
  }
  const std::size_t offset = token_.offset;
  advance();
  return token_.kind == TokenKind::quote ? string(*function) : value_call(*function, {}, offset);
}

// Literal text and interpolated expressions by turns; a literal if there is only text.
NodeId Parser::string(Function format) {
  const Nested nested(*this);
  const std::size_t start = token_.offset;
  std::vector<std::uint32_t> parts;
  while (!failed()) {
    std::string piece;
    bool interpolation = false;
    if (!string_piece(piece, interpolation)) {
      return failed() ? kNone : fail(start, "the string is not closed");
    }
    parts.push_back(build_.literal(piece));
    if (!interpolation) {
      break;
    }
    advance();
    const bool outer = std::exchange(commas_, true);
    parts.push_back(failed() ? kNone : pipe());
    commas_ = outer;
    if (!failed() && !token_.is(")")) {
      unexpected(") to close \\(");
    }
  }
  if (failed()) {
    return kNone;
  }
  advance();
  return parts.size() == 1 ? parts[0] : build_.over_list(Op::text, parts, 1, format);
}

// Reads from token_end_ to the closing quote or to \( and moves past it. False if neither comes.
bool Parser::string_piece(std::string& piece, bool& interpolation) {
  std::size_t& at = token_end_;
  while (at < source_.size() && source_[at] != '"') {
    if (source_[at] != '\\') {
      piece += source_[at++];
      continue;
    }
    if (source_.substr(at, 2) == "\\(") {
      interpolation = true;
      break;
    }
    const json::Escape escape = json::scan_escape(source_, at);
    if (escape.length == 0) {
      fail(at, "not an escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX and \\(");
      return false;
    }
    json::append_utf8(piece, escape.code);
    at += escape.length;
  }
  if (at == source_.size()) {
    return false;
  }
  at += interpolation ? 2 : 1;
  return true;
}

// After `if` or `elif`. Without `else`, what is not true goes through as it is.
NodeId Parser::condition() {
  const Nested nested(*this);
  const bool outer = std::exchange(commas_, true);
  const NodeId test = failed() ? kNone : pipe();
  const NodeId yes = expect_word("then", "after the condition") ? pipe() : kNone;
  NodeId no = kNone;
  if (accept_word("elif")) {
    no = condition();
  } else if (accept_word("else")) {
    no = pipe();
    expect_word("end", "after else");
  } else if (expect_word("end", ", else or elif after then")) {
    no = build_.identity();
  }
  commas_ = outer;
  return failed() ? kNone : build_.add({.op = Op::branch, .a = test, .b = yes, .c = no});
}

NodeId Parser::attempt() {
  const Nested nested(*this);
  const NodeId body = failed() ? kNone : negation();
  const NodeId handler = accept_word("catch") ? negation() : kNone;
  return failed() ? kNone : build_.binary(Op::attempt, body, handler);
}

// reduce SOURCE as PATTERN (START; UPDATE): the pattern's names are known in UPDATE only.
NodeId Parser::reduction() {
  const Nested nested(*this);
  const NodeId base = failed() ? kNone : term();
  const NodeId source = failed() ? kNone : suffixes(base);
  if (!expect_word("as", "after what to reduce")) {
    return kNone;
  }
  const std::size_t outside = scope_.size();
  const NodeId names = pattern();
  if (!expect("(", "and the start value")) {
    return kNone;
  }
  const bool outer = std::exchange(commas_, true);
  const std::vector<Binding> bound(scope_.begin() + static_cast<std::ptrdiff_t>(outside), scope_.end());
  scope_.resize(outside);
  const NodeId start = pipe();
  scope_.insert(scope_.end(), bound.begin(), bound.end());
  const NodeId update = expect(";", "between start and update") ? pipe() : kNone;
  scope_.resize(outside);
  commas_ = outer;
  return expect(")", "to close reduce")
             ? build_.add({.op = Op::reduce, .a = source, .b = names, .c = start, .d = update})
             : kNone;
}

// At `as` after a term: the body reaches as far as it can.
NodeId Parser::binding(NodeId source) {
  const Nested nested(*this);
  accept_word("as");
  const std::size_t outside = scope_.size();
  const NodeId names = failed() ? kNone : pattern();
  const NodeId body = expect("|", "and an expression after `as`") ? pipe() : kNone;
  scope_.resize(outside);
  return failed() ? kNone : build_.add({.op = Op::bind, .a = source, .b = names, .c = body});
}

// $name, [PATTERN, ..] or {key: PATTERN, ..}.
NodeId Parser::pattern() {
  const Nested nested(*this);
  if (failed()) {
    return kNone;
  }
  if (token_.kind == TokenKind::variable) {
    const NodeId name = build_.add({.op = Op::bind_name, .a = declare(token_.text)});
    advance();
    return name;
  }
  std::vector<std::uint32_t> parts;
  if (accept("[")) {
    do {
      parts.push_back(pattern());
    } while (accept(","));
    return expect("]", "to close the pattern") ? build_.over_list(Op::bind_array, parts) : kNone;
  }
  if (accept("{")) {
    do {
      if (!object_pattern_entry(parts)) {
        return kNone;
      }
    } while (accept(","));
    return expect("}", "to close the pattern") ? build_.over_list(Op::bind_object, parts, 3) : kNone;
  }
  return unexpected("a pattern: $name, [..] or {..}");
}

// $name, $name: PATTERN, name: PATTERN, "name": PATTERN, (expression): PATTERN.
bool Parser::object_pattern_entry(std::vector<std::uint32_t>& entries) {
  NodeId key = kNone;
  std::uint32_t slot = kNone;
  const std::size_t start = token_.offset;
  if (token_.kind == TokenKind::variable) {
    key = build_.literal(token_.text);
    slot = declare(token_.text);
    advance();
  } else if (token_.kind == TokenKind::name) {
    key = build_.literal(token_.text);
    advance();
  } else if (token_.kind == TokenKind::quote) {
    key = string(Function::none);
  } else if (accept("(")) {
    key = pipe();
    expect(")", "to close the key");
  } else {
    unexpected("a key of the pattern");
  }
  if (!failed() && !build_.at(key).single) {
    fail(start, "a key of a pattern must give exactly one string");
  }
  NodeId inner = kNone;
  if (slot == kNone || token_.is(":")) {
    inner = expect(":", "and a pattern after the key") ? pattern() : kNone;
  }
  entries.insert(entries.end(), {key, slot, inner});
  return !failed();
}

std::uint32_t Parser::declare(std::string_view name) {
  scope_.push_back({name, build_.code().slots});
  return build_.code().slots++;
}

}  // namespace flotilla::expr
