// Seeded lives of commands.
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/cqrs/simulation/command_world.hpp"

namespace flotilla::cqrs::simulation {
namespace {

// Runs seeds [first, first + count); the first violation fails with its timeline.
void run_seeds(std::uint64_t first, std::uint64_t count, std::size_t steps, CommandCoverage& coverage) {
  std::cout << "seeds " << first << " to " << first + count - 1 << "\n";
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const CommandOutcome outcome = CommandWorld({.seed = seed, .steps = steps}, coverage).run();
    if (!outcome.violation.empty()) {
      CommandCoverage ignored;
      const CommandOutcome again = CommandWorld({.seed = seed, .steps = steps, .trace = true}, ignored).run();
      const std::string path = testing::TempDir() + "command-simulation-" + std::to_string(seed) + ".txt";
      std::ofstream(path) << again.timeline;
      ADD_FAILURE() << "seed " << seed << ": " << outcome.violation << "\ntimeline in " << path;
      return;
    }
  }
}

TEST(CommandSimulation, SomeSeeds) {
  CommandCoverage coverage;
  run_seeds(1, 200, 1500, coverage);
  std::cout << coverage.steps << " steps, " << coverage.requests << " requests, " << coverage.commits
            << " commits, " << coverage.crashes << " crashes\n";
  if (!HasFailure()) {
    EXPECT_EQ(coverage.missing(), std::vector<std::string>());
  }
}

// The simulator finds each mistake that is planted in the machine, and soon.
class PlantedCommandFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedCommandFault, IsFound) {
  constexpr std::uint64_t kSeeds = 200;
  CommandCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const CommandOutcome outcome =
        CommandWorld({.seed = seed, .steps = 1000, .planted = static_cast<CommandFault>(GetParam())}, ignored)
            .run();
    if (!outcome.violation.empty()) {
      std::cout << "seed " << seed << ": " << outcome.violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedCommandFault, testing::Range(std::size_t{1}, kCommandFaults));

}  // namespace
}  // namespace flotilla::cqrs::simulation
