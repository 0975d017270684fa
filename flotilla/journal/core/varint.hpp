// LEB128: seven bits a byte, least significant first, the shortest form only, so that equal values have
// equal bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flotilla::journal {

inline void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// Reads at `at` and moves it behind the number. Nothing, and `at` where it was, when the bytes end within
// the number, it exceeds 64 bits, or a shorter form would have held it.
[[nodiscard]] inline std::optional<std::uint64_t> read_varint(std::string_view bytes,
                                                              std::size_t& at) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 10 && at + i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[at + i]);
    if (i == 9 && byte > 1) {
      return std::nullopt;
    }
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (byte == 0 && i > 0) {
        return std::nullopt;
      }
      at += i + 1;
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace flotilla::journal
