#include "flotilla/http/core/uri.hpp"

#include <algorithm>
#include <array>

#include "flotilla/base/text.hpp"

namespace flotilla::http {
namespace {

constexpr std::uint8_t kUnreserved = 1;  // RFC 3986 2.3
constexpr std::uint8_t kPathByte = 2;    // may stand in a normal path as it is
constexpr std::uint8_t kNotice = 4;      // '%', '.', '/', ';': the fast path looks closer
constexpr std::uint8_t kRefused = 8;     // control characters, '?', '#'
constexpr std::array<std::uint8_t, 256> kUriClasses = [] {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view characters, unsigned bits) {
    for (const char c : characters) {
      auto& entry = table[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | bits);
    }
  };
  mark("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", kUnreserved | kPathByte);
  // sub-delims, ':' and '@' (pchar), the separator, and brackets, which are commonly sent as they are.
  mark("!$&'()*+,;=:@/[]", kPathByte);
  mark("%./;", kNotice);
  mark("?#\x7f", kRefused);
  for (std::size_t c = 0; c < 0x20; ++c) {
    table[c] = kRefused;
  }
  return table;
}();

bool is(char c, std::uint8_t bits) { return (kUriClasses[static_cast<unsigned char>(c)] & bits) != 0; }

// The byte encoded at text[at] == '%', or nothing.
std::optional<char> encoded_byte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) {
    return std::nullopt;
  }
  const int high = hex_digit(text[at + 1]);
  const int low = hex_digit(text[at + 2]);
  if (high < 0 || low < 0) {
    return std::nullopt;
  }
  return static_cast<char>(high * 16 + low);
}

void append_encoded(std::string& out, char byte) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(byte);
  out += '%';
  out += kHex[value >> 4U];
  out += kHex[value & 15U];
}

// Whether `path` is its own normal form; notes a ';' on the way.
bool is_normal(std::string_view path, bool& semicolon) {
  char before = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    const std::uint8_t found = kUriClasses[static_cast<unsigned char>(c)];
    if ((found & (kPathByte | kNotice)) != kPathByte) {
      if (c == ';') {
        semicolon = true;
      } else if ((found & kNotice) == 0 || c == '%' || before == '/') {
        return false;  // to be encoded, encoded, "//", or a segment that starts with a dot
      }
    }
    before = c;
  }
  return true;
}

// Pass one: one spelling for every byte.
bool append_spelled(std::string_view path, std::string& out, NormalPath& result) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (is(c, kRefused)) {
      return false;
    }
    if (c != '%') {
      result.semicolon = result.semicolon || c == ';';
      result.encoded_slash = result.encoded_slash || c == '\\';
      is(c, kPathByte) ? out.push_back(c) : append_encoded(out, c);
      continue;
    }
    const auto byte = encoded_byte(path, i);
    if (!byte || *byte == '\0') {
      return false;
    }
    i += 2;
    c = *byte;
    result.encoded_slash = result.encoded_slash || c == '/' || c == '\\';
    is(c, kUnreserved) ? out.push_back(c) : append_encoded(out, c);
  }
  return true;
}

// Pass two, in place: RFC 3986 5.2.4, with the path's first byte a '/'. The text never grows.
void remove_dot_segments(std::string& path) {
  std::size_t kept = 0;  // bytes of the output, which ends before a '/'
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t next = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = std::string_view{path}.substr(at + 1, next - at - 1);
    const bool last = next == path.size();
    if (segment == ".." || segment == ".") {
      if (segment == ".." && kept > 0) {
        kept = path.rfind('/', kept - 1);
      }
      if (last) {
        path[kept++] = '/';
      }
    } else {
      std::copy(path.begin() + static_cast<std::ptrdiff_t>(at),
                path.begin() + static_cast<std::ptrdiff_t>(next),
                path.begin() + static_cast<std::ptrdiff_t>(kept));
      kept += next - at;
    }
    at = next;
  }
  path.resize(kept);
}

}  // namespace

std::optional<NormalPath> normalize_path(std::string_view path, std::string& scratch) {
  if (!path.starts_with('/')) {
    return std::nullopt;
  }
  NormalPath result;
  if (is_normal(path, result.semicolon)) {
    result.path = path;
    return result;
  }
  scratch.clear();
  if (!append_spelled(path, scratch, result)) {
    return std::nullopt;
  }
  remove_dot_segments(scratch);
  const auto tail = std::ranges::unique(scratch, [](char a, char b) { return a == '/' && b == '/'; });
  scratch.erase(tail.begin(), tail.end());
  result.path = scratch;
  return result;
}

void percent_encode_segment(std::string& out, std::string_view text) {
  for (const char c : text) {
    is(c, kUnreserved) ? out.push_back(c) : append_encoded(out, c);
  }
}

void percent_encode_query_value(std::string& out, std::string_view text) {
  percent_encode_segment(out, text);
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto byte = encoded_byte(text, i);
      if (!byte) {
        return std::nullopt;
      }
      decoded += *byte;
      i += 2;
    } else {
      decoded += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

std::optional<QueryParameters::Parameter> QueryParameters::next() noexcept {
  while (!rest_.empty()) {
    const std::size_t end = rest_.find('&');
    const std::string_view text = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
    if (!text.empty()) {
      const std::size_t equals = text.find('=');
      const bool has_value = equals != std::string_view::npos;
      return Parameter{text.substr(0, equals), has_value ? text.substr(equals + 1) : std::string_view{},
                       has_value};
    }
  }
  return std::nullopt;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  QueryParameters parameters{query};
  while (const auto parameter = parameters.next()) {
    if (parameter->name == name || percent_decode(parameter->name, true) == name) {
      return percent_decode(parameter->value, true);
    }
  }
  return std::nullopt;
}

}  // namespace flotilla::http
