#include "flotilla/http/core/idempotency_key.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::http {
namespace {

bool is_visible(char c) { return c > ' ' && c < '\x7f'; }

// RFC 8941 3.3.3: printable ASCII, with only '"' and '\' escaped.
std::optional<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || !text.ends_with('"')) {
    return std::nullopt;
  }
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      if (++i == text.size() || (text[i] != '"' && text[i] != '\\')) {
        return std::nullopt;
      }
      c = text[i];
    } else if (c == '"') {
      return std::nullopt;
    }
    if (c != ' ' && !is_visible(c)) {
      return std::nullopt;
    }
    out += c;
  }
  return out;
}

std::optional<std::string> bare(std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return is_visible(c) && c != '"' && c != ',' && c != ';' && c != '\\'; });
  return plain ? std::optional<std::string>(text) : std::nullopt;
}

}  // namespace

std::expected<std::string, std::string> read_idempotency_key(const std::vector<std::string_view>& fields) {
  if (fields.empty()) {
    return std::string();
  }
  if (fields.size() > 1) {
    return std::unexpected("Idempotency-Key stands twice; send one key");
  }
  const std::string_view text = trim(fields.front());
  auto key = text.starts_with('"') ? unquote(text) : bare(text);
  if (!key || key->empty() || key->size() > kMaxIdempotencyKey) {
    return std::unexpected(
        fmt::format("Idempotency-Key: expected 1 to {} characters of printable ASCII, quoted or bare",
                    kMaxIdempotencyKey));
  }
  return std::move(*key);
}

}  // namespace flotilla::http
