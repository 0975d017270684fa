// Tokens of the expression language. Strings are read by the parser, since expressions nest in them.
//
// Ownership: views into the source. Threads: pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace flotilla::expr {

enum class TokenKind : std::uint8_t {
  end,
  name,      // a name or keyword: text
  field,     // .name: text without the dot
  variable,  // $name: text without the dollar sign
  number,    // text as written
  quote,     // the start of a string
  format,    // @name: text with the at sign
  symbol,    // one or two characters: text
  bad,       // a character that starts no token
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
  std::size_t offset = 0;

  [[nodiscard]] bool is(std::string_view symbol) const noexcept {
    return kind == TokenKind::symbol && text == symbol;
  }
  [[nodiscard]] bool is_word(std::string_view word) const noexcept {
    return kind == TokenKind::name && text == word;
  }
};

// The token that starts at `at` or after the blanks and comments (# to the end of line) there.
[[nodiscard]] Token next_token(std::string_view source, std::size_t at) noexcept;

}  // namespace flotilla::expr
