#include "flotilla/cqrs/core/page_token.hpp"

#include <algorithm>

#include "flotilla/base/base64.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/journal/core/varint.hpp"

namespace flotilla::cqrs {

std::string page_token(const journal::RowName& last) {
  std::string bytes;
  journal::append_varint(bytes, last.key.size());
  bytes += last.key;
  bytes += last.row;
  std::string text = base64_encode(bytes);
  while (text.ends_with('=')) {
    text.pop_back();
  }
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::optional<journal::RowName> parse_page_token(std::string_view text) {
  std::string padded(text);
  std::ranges::replace(padded, '-', '+');
  std::ranges::replace(padded, '_', '/');
  padded.append((4 - padded.size() % 4) % 4, '=');
  const auto bytes = base64_decode(padded);
  if (!bytes) {
    return std::nullopt;
  }
  std::size_t at = 0;
  const auto size = journal::read_varint(*bytes, at);
  if (!size || *size > journal::kMaxName || *size > bytes->size() - at ||
      bytes->size() - at - *size > journal::kMaxName) {
    return std::nullopt;
  }
  return journal::RowName{.key = bytes->substr(at, *size), .row = bytes->substr(at + *size)};
}

}  // namespace flotilla::cqrs
