// The words a circuit breaker consists of, packed into 64 bits each.
//
// For: CircuitBreaker only. State and deadline stand in one word so that no reader can see OPEN with
// a stale deadline. A probe or run word whose generation is not the state word's reads as zero and is
// re-based by whoever writes it first, so that a transition initialises nothing but the state word.
// Threads: plain values; the atomics that hold them are the breaker's.
// Limits: 2^18 generations, compared by serial arithmetic (RFC 1982); 2^38 ms = 8.7 years of ticks.
#pragma once

#include <cstdint>

namespace flotilla::resilience::detail {

// Bits [shift, shift + width) of a word.
template <unsigned shift, unsigned width>
struct Field {
  static constexpr std::uint64_t kMax = (std::uint64_t{1} << width) - 1;
  static constexpr std::uint64_t get(std::uint64_t word) noexcept { return (word >> shift) & kMax; }
  static constexpr std::uint64_t make(std::uint64_t value) noexcept { return (value & kMax) << shift; }
  // Saturates at both ends: a counter in a packed word must not run into its neighbour.
  static constexpr std::uint64_t up(std::uint64_t word) noexcept {
    return get(word) == kMax ? word : word + (std::uint64_t{1} << shift);
  }
  static constexpr std::uint64_t down(std::uint64_t word) noexcept {
    return get(word) == 0 ? word : word - (std::uint64_t{1} << shift);
  }
};

using Generation = Field<46, 18>;  // in every word

// Whether generation a was made after generation b.
constexpr bool newer(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t ahead = (a - b) & Generation::kMax;
  return ahead != 0 && ahead <= Generation::kMax / 2;
}

namespace state_word {
using Attempt = Field<42, 4>;   // openings in a row, saturating
using Deadline = Field<4, 38>;  // ms since the breaker was made; kNoDeadline = never
using ModeAndState = Field<0, 4>;
inline constexpr std::uint64_t kNoDeadline = Deadline::kMax;
constexpr std::uint64_t mode(std::uint64_t word) noexcept { return Field<2, 2>::get(word); }
constexpr std::uint64_t state(std::uint64_t word) noexcept { return Field<0, 2>::get(word); }
}  // namespace state_word

namespace probe_word {
using Admitted = Field<34, 12>;
using InFlight = Field<24, 10>;
using Successes = Field<12, 12>;
using Failures = Field<0, 12>;
}  // namespace probe_word

namespace run_word {
using Count = Field<0, 46>;
}

// One transition, kept in the ring until somebody takes it.
namespace event_word {
using At = Field<8, 38>;  // ms since the breaker was made
using From = Field<6, 2>;
using To = Field<4, 2>;
using Cause = Field<0, 4>;
}  // namespace event_word

// `word` if it belongs to `generation`, else an empty word of that generation.
constexpr std::uint64_t rebased(std::uint64_t word, std::uint64_t generation) noexcept {
  return Generation::get(word) == generation ? word : Generation::make(generation);
}

}  // namespace flotilla::resilience::detail
