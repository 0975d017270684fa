// The exhaustive small space: every saga of up to three steps, whatever is first answered to each request,
// with one crash at every boundary and one message delivered twice.
//
// For: tests. Nothing here is drawn: the runs are enumerated, always the same ones in the same order. What
// random worlds reach by luck is reached here by counting, and what they cannot be shown to have reached is.
//   shapes     the sequences of 1 to 3 steps with a pivot at every place or none, and the parallel ones
//   answers    of each action and of each undo, the first one: done, refused, the effect and no answer, try
//              again. Then services replay what they decided, or do it
//   patience   shapes of one and two steps with one attempt and with three, those of three steps with two
//   crash      before every event and before every effect is carried out, or none; the next owner takes over
//   twice      every request and every answer, or none
// Ownership: a SmallSpace owns its definitions. Threads: one. Cost: some 20 us a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/saga/core/engine_faults.hpp"
#include "flotilla/saga/core/simulation/catalogue.hpp"
#include "flotilla/saga/core/simulation/coverage.hpp"

namespace flotilla::saga::simulation {

enum class First : std::uint8_t { done, refused, lost, again };
inline constexpr std::uint32_t kFirsts = 4;

struct SmallCase {
  DefinitionPtr definition;
  std::vector<First> actions;  // by step
  First undos = First::done;   // of every undo
  std::uint32_t crash_at = 0;  // the how many-th boundary; 0: none
  std::uint32_t twice_at = 0;  // the how many-th message; 0: none
};
[[nodiscard]] std::string to_string(const SmallCase& small);

struct SmallOutcome {
  std::string violation;  // empty: none
  std::uint32_t boundaries = 0;
  std::uint32_t messages = 0;
};

class SmallSpace {
 public:
  explicit SmallSpace(EngineFaults faults = {});

  [[nodiscard]] SmallOutcome run(const SmallCase& small);
  // The cases without crash and duplicate; each of them stands for all of its crashes and duplicates.
  [[nodiscard]] const std::vector<SmallCase>& bases() const noexcept { return bases_; }
  // All runs of bases()[i]; how many, or the first that goes wrong.
  struct Tried {
    std::uint64_t runs = 0;
    std::string violation;
  };
  [[nodiscard]] Tried all_of(std::size_t base);
  [[nodiscard]] const Coverage& coverage() const noexcept { return coverage_; }

 private:
  void add(const DefinitionPtr& definition);

  EngineFaults faults_;
  Catalogue catalogue_;
  Coverage coverage_;
  std::vector<SmallCase> bases_;
};

}  // namespace flotilla::saga::simulation
