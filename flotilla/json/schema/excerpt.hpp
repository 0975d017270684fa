// The beginning of a text for a message: cut where it is long, never inside a character. Pure.
#pragma once

#include <string>
#include <string_view>

namespace flotilla::json::schema {

[[nodiscard]] inline std::string excerpt(std::string_view text, std::size_t most = 160) {
  if (text.size() <= most) {
    return std::string(text);
  }
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) {
    --most;
  }
  return std::string(text.substr(0, most)) + "...";
}

}  // namespace flotilla::json::schema
