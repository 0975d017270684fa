// What a set of simulated runs has reached. A counter that stays zero means that a run proves less than it
// says.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/saga/core/record.hpp"
#include "flotilla/saga/core/verdict.hpp"

namespace flotilla::saga::simulation {

// The transitions S1-S23 with S4b and S11b.
enum class Transition : std::uint8_t {
  s1,
  s2,
  s3,
  s4,
  s4b,
  s5,
  s6,
  s7,
  s8,
  s9,
  s10,
  s11,
  s11b,
  s12,
  s13,
  s14,
  s15,
  s16,
  s17,
  s18,
  s19,
  s20,
  s21,
  s22,
  s23
};
inline constexpr std::size_t kTransitions = static_cast<std::size_t>(Transition::s23) + 1;
[[nodiscard]] std::string_view to_string(Transition transition) noexcept;

struct Coverage {
  std::array<std::uint64_t, kTransitions> transitions{};
  std::array<std::array<std::uint64_t, 2>, kVerdictRows> rows{};     // action, undo
  std::array<std::array<std::uint64_t, 2>, kRecordTypes> crashes{};  // before, after it was durable
  std::uint64_t events = 0;
  std::uint64_t sagas = 0;
  std::uint64_t crashed = 0;

  void count(Transition transition) noexcept { ++transitions[static_cast<std::size_t>(transition)]; }
  void add(const Coverage& other) noexcept;
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

}  // namespace flotilla::saga::simulation
