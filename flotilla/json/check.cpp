#include "flotilla/json/check.hpp"

#include "flotilla/json/number.hpp"
#include "flotilla/json/scan.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::json {
namespace {

class Checker {
 public:
  Checker(std::string_view text, std::size_t depth) : text_(text), depth_(depth) {}

  std::optional<Fault> run() {
    if (!value(0)) {
      return fault_;
    }
    skip_blanks();
    if (at_ != text_.size()) {
      fail("something follows the value");
      return fault_;
    }
    return std::nullopt;
  }

 private:
  bool fail(std::string_view what) { return fail(what, at_); }
  bool fail(std::string_view what, std::size_t offset) {
    fault_ = {offset, what};
    return false;
  }
  void skip_blanks() { at_ = skip_whitespace(text_, at_); }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  // Recursion is bounded by depth_.
  bool value(std::size_t level) {
    skip_blanks();
    switch (peek()) {
      case '{':
      case '[':
        return level < depth_ ? list(level, peek()) : fail(kTooDeep);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return at_ == text_.size() ? fail("the text ends where a value belongs") : number();
    }
  }

  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) {
      return fail("not a JSON value");
    }
    at_ += expected.size();
    return true;
  }

  bool number() {
    if (peek() != '-' && (peek() < '0' || peek() > '9')) {
      return fail("not a JSON value");
    }
    const std::size_t n = scan_number(text_.substr(at_));
    if (n == 0) {
      return fail("not a JSON number");
    }
    at_ += n;
    return true;
  }

  bool string() {
    const std::size_t open = at_++;
    while (true) {
      at_ = skip_plain(text_, at_);
      if (at_ == text_.size()) {
        return fail("a string is not closed", open);
      }
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte == '"') {
        ++at_;
        return true;
      }
      if (byte < 0x20) {
        return fail("a control character in a string must be escaped");
      }
      const std::size_t n = byte == '\\' ? scan_escape(text_, at_).length : utf8_sequence(text_, at_);
      if (n == 0) {
        return fail(byte == '\\' ? "not a JSON escape" : "not UTF-8");
      }
      at_ += n;
    }
  }

  bool list(std::size_t level, char open) {
    const char close = open == '{' ? '}' : ']';
    const std::size_t start = at_++;
    skip_blanks();
    if (peek() == close) {
      ++at_;
      return true;
    }
    while (true) {
      if ((open == '{' && !key()) || !value(level + 1)) {
        return false;
      }
      skip_blanks();
      if (at_ == text_.size()) {
        return fail(open == '{' ? "an object is not closed" : "an array is not closed", start);
      }
      if (peek() == close) {
        ++at_;
        return true;
      }
      if (peek() != ',') {
        return fail(open == '{' ? "expected , or }" : "expected , or ]");
      }
      ++at_;
    }
  }

  bool key() {
    skip_blanks();
    if (peek() != '"') {
      return fail("expected a key in quotes");
    }
    if (!string()) {
      return false;
    }
    skip_blanks();
    if (peek() != ':') {
      return fail("expected : after a key");
    }
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t depth_;
  std::size_t at_ = 0;
  Fault fault_{0, ""};
};

}  // namespace

std::optional<Fault> find_fault(std::string_view text, std::size_t depth) noexcept {
  return Checker(text, depth).run();
}

}  // namespace flotilla::json
