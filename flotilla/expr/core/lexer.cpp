#include "flotilla/expr/core/lexer.hpp"

#include <algorithm>
#include <array>

#include "flotilla/base/text.hpp"

namespace flotilla::expr {
namespace {

bool starts_name(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || c == '_';
}
bool in_name(char c) { return starts_name(c) || is_digit(c); }

std::size_t skip(std::string_view source, std::size_t at, bool (*take)(char)) {
  while (at < source.size() && take(source[at])) {
    ++at;
  }
  return at;
}

std::size_t skip_blanks(std::string_view source, std::size_t at) {
  while (true) {
    at = skip(source, at, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
    if (at == source.size() || source[at] != '#') {
      return at;
    }
    at = std::min(source.find('\n', at), source.size());
  }
}

// Digits with an optional fraction and exponent; the source has a digit, or a dot and a digit, at `at`.
std::size_t skip_number(std::string_view source, std::size_t at) {
  at = skip(source, at, is_digit);
  if (at < source.size() && source[at] == '.') {
    at = skip(source, at + 1, is_digit);
  }
  if (at < source.size() && (source[at] == 'e' || source[at] == 'E')) {
    std::size_t exponent = at + 1;
    if (exponent < source.size() && (source[exponent] == '+' || source[exponent] == '-')) {
      ++exponent;
    }
    const std::size_t end = skip(source, exponent, is_digit);
    at = end > exponent ? end : at;
  }
  return at;
}

constexpr std::array<std::string_view, 12> kPairs{"==", "!=", "<=", ">=", "//", "..",
                                                  "|=", "+=", "-=", "*=", "/=", "%="};
constexpr std::string_view kSingles = "()[]{}|,:;=<>+-*/%?.";

}  // namespace

Token next_token(std::string_view source, std::size_t at) noexcept {
  at = skip_blanks(source, at);
  const auto token = [&](TokenKind kind, std::size_t end, std::size_t dropped = 0) {
    return Token{kind, source.substr(at + dropped, end - at - dropped), at};
  };
  if (at == source.size()) {
    return token(TokenKind::end, at);
  }
  const char c = source[at];
  const char following = at + 1 < source.size() ? source[at + 1] : '\0';
  if (starts_name(c)) {
    return token(TokenKind::name, skip(source, at, in_name));
  }
  if (is_digit(c) || (c == '.' && is_digit(following))) {
    return token(TokenKind::number, skip_number(source, at));
  }
  if (starts_name(following)) {
    switch (c) {
      case '.':
        return token(TokenKind::field, skip(source, at + 1, in_name), 1);
      case '$':
        return token(TokenKind::variable, skip(source, at + 1, in_name), 1);
      case '@':
        return token(TokenKind::format, skip(source, at + 1, in_name));
      default:
        break;
    }
  }
  if (c == '"') {
    return token(TokenKind::quote, at + 1);
  }
  if (std::ranges::find(kPairs, source.substr(at, 2)) != kPairs.end()) {
    return token(TokenKind::symbol, at + 2);
  }
  return token(kSingles.contains(c) ? TokenKind::symbol : TokenKind::bad, at + 1);
}

}  // namespace flotilla::expr
