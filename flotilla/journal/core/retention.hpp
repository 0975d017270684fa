// How long a table holds before the next one is begun, where records are kept for a time only.
//
// For: the stores. Ownership, threads: a pure function. Limits: below.
#pragma once

#include <algorithm>
#include <cstdint>

namespace flotilla::journal {

// In milliseconds.
inline constexpr std::int64_t kLeastPeriod = 60'000;
inline constexpr std::int64_t kLongestPeriod = std::int64_t{24} * 60 * kLeastPeriod;

// An eighth of what is retained: what is kept too long is at most that much; so tables are few.
[[nodiscard]] constexpr std::int64_t retention_period(std::int64_t retain_ms) noexcept {
  return std::clamp(retain_ms / 8, kLeastPeriod, kLongestPeriod);
}

}  // namespace flotilla::journal
