#include "flotilla/json/writer.hpp"

#include <array>

namespace flotilla::json {
namespace {

// What each byte becomes: 0 as it is, 'u' a \u00XX, else the letter after a backslash.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) {
    table[i] = 'u';
  }
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['"'] = '"';
  table['\\'] = '\\';
  table[0x7f] = 'u';  // as jq does
  return table;
}();

void new_line(std::string& out, std::size_t level) {
  out += '\n';
  out.append(2 * level, ' ');
}

// Recursion is bounded by Value::kMaxDepth.
void write_any(std::string& out, const Value& value, Style style, std::size_t level) {
  const bool pretty = style == Style::pretty;
  switch (value.kind()) {
    case Kind::null:
      out += "null";
      return;
    case Kind::boolean:
      out += value.as_bool() ? "true" : "false";
      return;
    case Kind::number:
      out += value.number_text();
      return;
    case Kind::string:
      append_quoted(out, value.as_string());
      return;
    case Kind::array:
      out += '[';
      break;
    case Kind::object:
      out += '{';
      break;
  }
  bool first = true;
  const auto separate = [&] {
    if (!first) {
      out += ',';
    }
    first = false;
    if (pretty) {
      new_line(out, level + 1);
    }
  };
  for (const Value& item : value.items()) {
    separate();
    write_any(out, item, style, level + 1);
  }
  for (const Member& m : value.members()) {
    separate();
    append_quoted(out, m.key());
    out += pretty ? ": " : ":";
    write_any(out, m.value, style, level + 1);
  }
  if (pretty && !first) {
    new_line(out, level);
  }
  out += value.is_array() ? ']' : '}';
}

}  // namespace

std::string write(const Value& value, Style style) {
  std::string out;
  out.reserve(value.text_size());
  write_any(out, value, style, 0);
  return out;
}

void write_to(std::string& out, const Value& value) { write_any(out, value, Style::compact, 0); }

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // start of the run that goes out unchanged
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const char escape = kEscapes[byte];
    if (escape == 0) [[likely]] {
      continue;
    }
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
    out += '\\';
    out += escape;
    if (escape == 'u') {
      constexpr std::string_view hex = "0123456789abcdef";
      out += "00";
      out += hex[byte >> 4];
      out += hex[byte & 15U];
    }
  }
  out.append(text.substr(plain));
  out += '"';
}

void Writer::separate() {
  if (!first_ && !after_key_) {
    out_ += ',';
  }
  first_ = false;
  after_key_ = false;
}

Writer& Writer::begin(char open, char close) {
  FLOTILLA_ASSERT(open_ < kMaxNesting);
  separate();
  out_ += open;
  closers_[open_++] = close;
  first_ = true;
  return *this;
}

Writer& Writer::end() {
  FLOTILLA_ASSERT(open_ > 0 && !after_key_);
  out_ += closers_[--open_];
  first_ = false;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  FLOTILLA_ASSERT(open_ > 0 && closers_[open_ - 1] == '}' && !after_key_);
  separate();
  append_quoted(out_, name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

Writer& Writer::value(std::string_view text) {
  separate();
  append_quoted(out_, text);
  return *this;
}

Writer& Writer::value(const Value& v) {
  separate();
  write_to(out_, v);
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace flotilla::json
