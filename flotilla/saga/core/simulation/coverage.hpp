// What a set of simulated runs has reached. A counter that stays zero means that a run proves less than it
// says.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/record.hpp"
#include "flotilla/saga/core/saga_id.hpp"
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

// In which way a step was reached, over all sagas of its definition.
struct StepTally {
  std::uint64_t done = 0;
  std::uint64_t refused = 0;
  std::uint64_t unknown = 0;
  std::uint64_t skipped = 0;
  std::uint64_t undone = 0;
  std::uint64_t blocked = 0;    // its undo was refused
  std::uint64_t suspended = 0;  // waited for a person
};

// What became of the sagas of one definition.
struct SagaTally {
  std::vector<StepTally> steps;
  std::uint64_t started = 0;
  std::uint64_t completed = 0;
  std::uint64_t compensated = 0;
  std::uint64_t failed = 0;
  std::uint64_t rejected = 0;
  std::map<std::tuple<SuspendReason, StepIndex>, std::uint64_t> suspended;

  void count(const Record& record, const Definition& definition);
};

// What a definition allows although the engine does everything right.
struct Finding {
  enum class Kind : std::uint8_t {
    twice,        // an action took effect more than once: its service knows nothing of keys
    undo_twice,   // an undo acted more often than its action, for the same reason
    left_behind,  // a saga ended compensated with an effect that nothing undoes (`undo: none`)
    not_undone,   // ... or with one that came after its undo, at a service that knows nothing of keys
    no_text,      // a request or condition could not be made of what there is
  };
  static constexpr std::size_t kKinds = 5;
  std::uint64_t sagas = 0;  // in how many
  std::uint64_t seed = 0;   // of the first one
  SagaId saga;
  std::string detail;
};
[[nodiscard]] std::string_view to_string(Finding::Kind kind) noexcept;
using Findings =
    std::map<std::tuple<Finding::Kind, std::string, StepIndex>, Finding>;  // by saga's name, step

struct Coverage {
  std::array<std::uint64_t, kTransitions> transitions{};
  std::array<std::array<std::uint64_t, 2>, kVerdictRows> rows{};     // action, undo
  std::array<std::array<std::uint64_t, 2>, kRecordTypes> crashes{};  // before, after it was durable
  std::uint64_t events = 0;
  std::uint64_t sagas = 0;
  std::uint64_t crashed = 0;
  std::uint64_t histories = 0;               // of which an order was looked for
  std::uint64_t undecided = 0;               // and not found before the search gave up
  std::map<std::string, SagaTally> tallies;  // by the definition's name
  Findings findings;

  void count(Transition transition) noexcept { ++transitions[static_cast<std::size_t>(transition)]; }
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

}  // namespace flotilla::saga::simulation
