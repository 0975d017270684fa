// Seeded lives of a choreography.
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/events/core/simulation/choreography_world.hpp"

namespace flotilla::events::simulation {
namespace {

TEST(ChoreographySimulation, SomeSeeds) {
  ChoreographyCoverage coverage;
  constexpr std::uint64_t kSeeds = 150;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string violation = ChoreographyWorld({.seed = seed}, coverage).run();
    ASSERT_EQ(violation, "") << "seed " << seed;
  }
  std::cout << kSeeds << " seeds, " << coverage.events << " events, " << coverage.commits << " commits\n";
  for (std::size_t i = 0; i < kReached; ++i) {
    std::cout << to_string(static_cast<Reached>(i)) << " " << coverage.reached[i] << "\n";
  }
  EXPECT_EQ(coverage.missing(), std::vector<std::string>());
}

// The simulator finds each mistake that is planted, and soon.
class PlantedFollowFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedFollowFault, IsFound) {
  constexpr std::uint64_t kSeeds = 150;
  ChoreographyCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string violation =
        ChoreographyWorld({.seed = seed, .planted = static_cast<FollowFault>(GetParam())}, ignored).run();
    if (!violation.empty()) {
      std::cout << "seed " << seed << ": " << violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedFollowFault, testing::Range(std::size_t{1}, kFollowFaults));

}  // namespace
}  // namespace flotilla::events::simulation
