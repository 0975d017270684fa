// Writing JSON: a Value as text, or piece by piece without building one.
//
// For: answers, logs, records. Strings are escaped as RFC 8259 asks: quote, backslash, controls; everything
// else, which is UTF-8, goes out as it is. Numbers go out as written. Ownership: appends to the caller's
// string. Threads: pure. Limits: those of Value; a Writer nests to 64 levels (asserted).
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/json/value.hpp"

namespace flotilla::json {

enum class Style : std::uint8_t {
  compact,  // {"a":1,"b":[2]}
  pretty,   // two spaces a level, one member or element a line
};

[[nodiscard]] std::string write(const Value& value, Style style = Style::compact);
void write_to(std::string& out, const Value& value);

// Appends `text` in quotes, escaped.
void append_quoted(std::string& out, std::string_view text);

// Writes one JSON text in the order of its calls, with commas where they belong:
//   Writer w(out); w.begin_object().key("id").value(7).key("tags").begin_array().value("a").end().end();
class Writer {
 public:
  explicit Writer(std::string& out) noexcept : out_(out) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& begin_object() { return begin('{', '}'); }
  Writer& begin_array() { return begin('[', ']'); }
  // Ends the innermost object or array (asserts that there is one).
  Writer& end();
  Writer& key(std::string_view name);
  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(const Value& v);
  Writer& value(std::nullptr_t) { return raw("null"); }
  template <std::same_as<bool> Bool>
  Writer& value(Bool v) {
    return raw(v ? "true" : "false");
  }
  template <std::integral Int>
    requires(!std::same_as<Int, bool> && !std::same_as<Int, char>)
  Writer& value(Int v) {
    return value(Value(v));
  }
  Writer& value(double v) { return value(Value::number(v)); }
  // A value that is JSON text already; it is not checked.
  Writer& raw(std::string_view json);

 private:
  static constexpr std::size_t kMaxNesting = 64;
  Writer& begin(char open, char close);
  void separate();

  std::string& out_;
  bool first_ = true;  // nothing stands before the next element of the innermost list
  bool after_key_ = false;
  std::uint8_t open_ = 0;
  char closers_[kMaxNesting] = {};
};

}  // namespace flotilla::json
