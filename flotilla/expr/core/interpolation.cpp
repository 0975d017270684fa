// Values as text: in interpolated strings, and by @uri and @base64.
#include "flotilla/base/text.hpp"
#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/functions.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr {

using json::Value;

namespace {

std::string escape_uri(std::string_view text) {
  constexpr std::string_view plain = "-_.~!*'()";  // and letters and digits: what jq leaves
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const char lower = ascii_lower(c);
    if (is_digit(c) || (lower >= 'a' && lower <= 'z') || plain.contains(c)) {
      out += c;
    } else {
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15U];
    }
  }
  return out;
}

std::string encode_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((text.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t bytes = std::min<std::size_t>(3, text.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < bytes ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= bytes ? digits[group >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return out;
}

}  // namespace

Outcome interpolated(Function format, const Value& value, Meter& meter) {
  if (!meter.walk(value)) {
    return out_of_steps();
  }
  if (value.is_string() && format == Function::none) {
    return value;
  }
  const std::string text = value.is_string() ? std::string(value.as_string()) : json::write(value);
  switch (format) {
    case Function::uri:
      return Value(escape_uri(text));
    case Function::base64:
      return Value(encode_base64(text));
    default:
      return Value(text);
  }
}

}  // namespace flotilla::expr
