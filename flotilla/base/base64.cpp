#include "flotilla/base/base64.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace flotilla {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 64;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = std::min<std::size_t>(bytes.size() - at, 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= left ? kDigits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::string_view digits = text.substr(at, 4);
    if (at + 4 == text.size()) {
      digits = digits.substr(0, digits.ends_with("==") ? 2 : digits.ends_with('=') ? 3 : 4);
    }
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint8_t value = i < digits.size() ? kValues[static_cast<unsigned char>(digits[i])] : 0;
      if (value == kNoDigit) {
        return std::nullopt;
      }
      group = group << 6 | value;
    }
    const std::size_t bytes = digits.size() - 1;
    if ((group & ((1U << (24 - 8 * bytes)) - 1)) != 0) {
      return std::nullopt;
    }
    for (std::size_t i = 0; i < bytes; ++i) {
      out += static_cast<char>(group >> (16 - 8 * i) & 0xff);
    }
  }
  return out;
}

}  // namespace flotilla
