#include "flotilla/base/ulid.hpp"

#include <algorithm>

namespace flotilla {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kLength = 26;  // 130 bits, of which the first two are 0

}  // namespace

Ulid Ulid::make(WallTime now, Random& random) noexcept {
  const auto millis = static_cast<std::uint64_t>(std::max<std::int64_t>(now.ns_since_epoch, 0)) / 1'000'000;
  return {.high = millis << 16 | (random.next() & 0xffff), .low = random.next()};
}

std::string Ulid::text() const {
  std::string out(kLength, '0');
  Uint128 rest = static_cast<Uint128>(high) << 64 | low;
  for (std::size_t i = kLength; i-- > 0; rest >>= 5) {
    out[i] = kDigits[static_cast<std::size_t>(rest & 31)];
  }
  return out;
}

std::optional<Ulid> Ulid::parse(std::string_view text) noexcept {
  if (text.size() != kLength || text[0] > '7') {
    return std::nullopt;
  }
  Uint128 value = 0;
  for (const char c : text) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    const std::size_t digit = kDigits.find(upper);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    value = value << 5 | digit;
  }
  return Ulid{.high = static_cast<std::uint64_t>(value >> 64), .low = static_cast<std::uint64_t>(value)};
}

}  // namespace flotilla
