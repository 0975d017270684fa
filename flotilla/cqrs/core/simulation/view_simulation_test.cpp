// Seeded lives of a view.
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/cqrs/core/simulation/view_world.hpp"

namespace flotilla::cqrs::simulation {
namespace {

// Runs seeds [first, first + count); the first violation fails with its timeline.
void run_seeds(std::uint64_t first, std::uint64_t count, std::size_t events, Coverage& coverage) {
  std::cout << "seeds " << first << " to " << first + count - 1 << "\n";
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Outcome outcome = World({.seed = seed, .events = events}, coverage).run();
    if (!outcome.violation.empty()) {
      Coverage ignored;
      const Outcome again = World({.seed = seed, .events = events, .trace = true}, ignored).run();
      const std::string path = testing::TempDir() + "view-simulation-" + std::to_string(seed) + ".txt";
      std::ofstream(path) << again.timeline;
      ADD_FAILURE() << "seed " << seed << ": " << outcome.violation << "\ntimeline in " << path;
      return;
    }
  }
}

TEST(ViewSimulation, SomeSeeds) {
  Coverage coverage;
  run_seeds(1, 300, 1500, coverage);
  std::cout << coverage.events << " events of the world, " << coverage.published << " published, "
            << coverage.crashes << " crashes, " << coverage.counters.folded.read() << " folded, "
            << coverage.counters.flips.read() << " flips\n";
  if (!HasFailure()) {
    EXPECT_EQ(coverage.missing(), std::vector<std::string>());
  }
}

// The simulator finds each mistake that is planted in the engine, and soon.
class PlantedViewFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedViewFault, IsFound) {
  constexpr std::uint64_t kSeeds = 300;
  Coverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Outcome outcome =
        World({.seed = seed, .events = 1000, .planted = static_cast<ViewFault>(GetParam())}, ignored).run();
    if (!outcome.violation.empty()) {
      std::cout << "seed " << seed << ": " << outcome.violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedViewFault, testing::Range(std::size_t{1}, kViewFaults));

}  // namespace
}  // namespace flotilla::cqrs::simulation
