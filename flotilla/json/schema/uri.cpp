#include "flotilla/json/schema/uri.hpp"

#include <algorithm>

#include "flotilla/base/text.hpp"
#include "flotilla/json/schema/format.hpp"

namespace flotilla::json::schema {
namespace {

bool is_letter(char c) noexcept { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

// Unreserved characters, sub-delims, `also`, and %XX.
bool keeps_to(std::string_view text, std::string_view also) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
        return false;
      }
      i += 2;
    } else if (!is_letter(c) && !is_digit(c) && !std::string_view("-._~!$&'()*+,;=").contains(c) &&
               !also.contains(c)) {
      return false;
    }
  }
  return true;
}

bool is_scheme(std::string_view text) noexcept {
  return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

bool is_authority(std::string_view text) noexcept {
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    if (!keeps_to(text.substr(0, at), ":")) {
      return false;
    }
    text.remove_prefix(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6(text.substr(1, end - 1))) {
      return false;
    }
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') {
      return false;
    }
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (!keeps_to(text.substr(0, colon), "")) {
      return false;
    }
    port = text.substr(colon);
  }
  return std::ranges::all_of(port.substr(port.empty() ? 0 : 1), is_digit);
}

// RFC 3986, 5.2.4.
std::string without_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    if (path.starts_with("../")) {
      path.remove_prefix(3);
    } else if (path.starts_with("./")) {
      path.remove_prefix(2);
    } else if (path.starts_with("/./") || path == "/.") {
      path = path == "/." ? "/" : path.substr(2);
    } else if (path.starts_with("/../") || path == "/..") {
      path = path == "/.." ? "/" : path.substr(3);
      const std::size_t last = out.rfind('/');
      out.resize(last == std::string::npos ? 0 : last);
    } else if (path == "." || path == "..") {
      path = {};
    } else {
      const std::size_t end = std::min(path.find('/', 1), path.size());
      out += path.substr(0, end);
      path.remove_prefix(end);
    }
  }
  return out;
}

std::string merged_path(const UriParts& base, std::string_view path) {
  if (base.authority && base.path.empty()) {
    return '/' + std::string(path);
  }
  const std::size_t last = base.path.rfind('/');
  return std::string(base.path.substr(0, last == std::string_view::npos ? 0 : last + 1)) + std::string(path);
}

}  // namespace

UriParts split_uri(std::string_view text) noexcept {
  UriParts p;
  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    p.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    p.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  if (const std::size_t end = text.find_first_of(":/");
      end != std::string_view::npos && end > 0 && text[end] == ':') {
    p.scheme = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  if (text.starts_with("//")) {
    const std::size_t end = std::min(text.find('/', 2), text.size());
    p.authority = text.substr(2, end - 2);
    text.remove_prefix(end);
  }
  p.path = text;
  return p;
}

std::string resolve_uri(std::string_view base, std::string_view reference) {
  const UriParts b = split_uri(base);
  const UriParts r = split_uri(reference);
  UriParts t = r;
  std::string path;
  if (r.scheme || r.authority) {
    path = without_dot_segments(r.path);
    t.scheme = r.scheme ? r.scheme : b.scheme;
  } else {
    t.scheme = b.scheme;
    t.authority = b.authority;
    if (r.path.empty()) {
      path = b.path;
      t.query = r.query ? r.query : b.query;
    } else {
      path = without_dot_segments(r.path.starts_with('/') ? std::string(r.path) : merged_path(b, r.path));
    }
  }
  std::string out;
  if (t.scheme) {
    out.append(*t.scheme).append(":");
  }
  if (t.authority) {
    out.append("//").append(*t.authority);
  }
  out += path;
  if (t.query) {
    out.append("?").append(*t.query);
  }
  if (t.fragment) {
    out.append("#").append(*t.fragment);
  }
  return out;
}

bool is_uri_reference(std::string_view text) noexcept {
  const UriParts p = split_uri(text);
  return (!p.scheme || is_scheme(*p.scheme)) && (!p.authority || is_authority(*p.authority)) &&
         keeps_to(p.path, ":@/") && keeps_to(p.query.value_or(""), ":@/?") &&
         keeps_to(p.fragment.value_or(""), ":@/?") && !(text.starts_with(':'));
}

bool is_uri(std::string_view text) noexcept {
  return split_uri(text).scheme.has_value() && is_uri_reference(text);
}

}  // namespace flotilla::json::schema
