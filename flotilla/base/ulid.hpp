// A ULID: 48 bits of UTC milliseconds and 80 random bits, so ids sort by their birth.
//
// For: ids of sagas and events. Text: 26 characters of Crockford's base 32, upper case.
// Ownership, threads: plain values. Limits: the random bits come from the caller's Random and keep ids apart,
// not secret.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla {

struct Ulid {
  std::uint64_t high = 0;  // milliseconds << 16 | the upper 16 random bits
  std::uint64_t low = 0;

  // A time before 1970 counts as 1970.
  [[nodiscard]] static Ulid make(WallTime now, Random& random) noexcept;
  // Accepts what text() writes, in either case.
  [[nodiscard]] static std::optional<Ulid> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_none() const noexcept { return high == 0 && low == 0; }

  friend auto operator<=>(const Ulid&, const Ulid&) = default;
};

}  // namespace flotilla

template <>
struct std::hash<flotilla::Ulid> {
  std::size_t operator()(const flotilla::Ulid& id) const noexcept {
    return static_cast<std::size_t>(id.low ^ id.high * 0x9e3779b97f4a7c15ULL);
  }
};
