// Seeded randomness for cores: the same seed gives the same sequence on every platform.
//
// For: jitter, balancing, simulation. Not for secrets (no cryptographic strength).
// Algorithm: splitmix64 (Steele, Lea, Flood 2014), 64 bits of state; standard distributions are
// avoided because their results differ between libraries.
// Threads: one owner; copy to fork.
#pragma once

#include <cstdint>

namespace flotilla {

__extension__ using Uint128 = unsigned __int128;

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound); bound 0 gives 0. Multiply-shift (Lemire 2019); its bias is below 2^-32
  // for bounds under 2^32, which no use here can notice.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint64_t>((static_cast<Uint128>(next()) * bound) >> 64);
  }

  // Uniform in [0, 1).
  [[nodiscard]] double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace flotilla
