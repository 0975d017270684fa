// Thousands of seeded lives of the engine. The long runs are those of tests/simulation.
#include <bit>
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/saga/core/simulation/shrink.hpp"
#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {
namespace {

const Catalogue& catalogue() {
  static const Catalogue all;
  return all;
}

// Runs seeds [first, first + count); the first violation fails with its timeline.
Coverage run_seeds(std::uint64_t first, std::uint64_t count, std::size_t events) {
  Coverage coverage;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Outcome outcome = World({.seed = seed, .events = events}, catalogue(), coverage).run();
    if (!outcome.violation.empty()) {
      Coverage ignored;
      Shrunk shrunk = shrink({.seed = seed, .events = events}, catalogue());
      shrunk.config.trace = true;
      const Outcome again = World(shrunk.config, catalogue(), ignored).run();
      const std::string path = testing::TempDir() + "saga-simulation-" + std::to_string(seed) + ".txt";
      std::ofstream(path) << text_of(again.timeline);
      ADD_FAILURE() << "seed " << seed << ": " << outcome.violation << "\nsmaller: " << to_string(shrunk)
                    << ": " << shrunk.violation << "\ntimeline in " << path;
      break;
    }
  }
  return coverage;
}

// The long runs see that every kind of record was crashed on; these few that every transition was made.
void expect_transitions(const Coverage& coverage) {
  if (testing::Test::HasFailure()) {
    return;  // the run was cut short
  }
  for (std::size_t i = 0; i < kTransitions; ++i) {
    EXPECT_GT(coverage.transitions[i], 0U) << to_string(static_cast<Transition>(i));
  }
  EXPECT_GT(coverage.crashed, 100U);
}

TEST(SagaSimulation, SomeSeeds) {
  const Coverage coverage = run_seeds(1, 300, 1000);
  std::cout << coverage.events << " events, " << coverage.sagas << " sagas, " << coverage.crashed
            << " crashes\n";
  expect_transitions(coverage);
}

TEST(SagaSimulation, ShrinksAFailingSeed) {
  const WorldConfig whole{.seed = 1, .events = 600, .faults = {.planted = EngineFault::forget_unknown}};
  const Shrunk shrunk = shrink(whole, catalogue());
  EXPECT_EQ(shrunk.violation.substr(0, 2), "I4");
  EXPECT_LT(shrunk.config.events, 200U) << to_string(shrunk);
  EXPECT_GT(std::popcount(shrunk.config.without), 15) << to_string(shrunk);
  Coverage ignored;
  EXPECT_EQ(World(shrunk.config, catalogue(), ignored).run().violation, shrunk.violation);
  EXPECT_EQ(shrink({.seed = 1, .events = 20}, catalogue()).violation, "");
}

// The simulator finds each mistake that is planted in the engine, and soon.
class PlantedFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedFault, IsFound) {
  constexpr std::uint64_t kSeeds = 400;
  Coverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const WorldConfig config{
        .seed = seed, .events = 600, .faults = {.planted = static_cast<EngineFault>(GetParam())}};
    const Outcome outcome = World(config, catalogue(), ignored).run();
    if (!outcome.violation.empty()) {
      std::cout << "seed " << seed << ": " << outcome.violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedFault, testing::Range(std::size_t{1}, kEngineFaults));

}  // namespace
}  // namespace flotilla::saga::simulation
