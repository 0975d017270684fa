// Seeded lives of the compaction of a topic.
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/events/core/simulation/compaction_world.hpp"

namespace flotilla::events::simulation {
namespace {

TEST(CompactionSimulation, SomeSeeds) {
  constexpr std::uint64_t kSeeds = 300;
  CompactionCoverage coverage;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    ASSERT_EQ(CompactionWorld({.seed = seed}, coverage).run(), "");
  }
  EXPECT_EQ(coverage.missing(), std::vector<std::string>());
}

// The simulator finds each mistake that is planted, and soon.
class PlantedCompactionFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedCompactionFault, IsFound) {
  constexpr std::uint64_t kSeeds = 200;
  CompactionCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string violation =
        CompactionWorld({.seed = seed, .planted = static_cast<CompactionFault>(GetParam())}, ignored).run();
    if (!violation.empty()) {
      std::cout << violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedCompactionFault, testing::Range(std::size_t{1}, kCompactionFaults));

}  // namespace
}  // namespace flotilla::events::simulation
