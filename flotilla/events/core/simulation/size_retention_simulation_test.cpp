// Seeded lives of the retention of a topic by size.
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/events/core/simulation/size_retention_world.hpp"

namespace flotilla::events::simulation {
namespace {

TEST(SizeRetentionSimulation, SomeSeeds) {
  constexpr std::uint64_t kSeeds = 300;
  SizeCoverage coverage;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    ASSERT_EQ(SizeWorld({.seed = seed}, coverage).run(), "");
  }
  EXPECT_EQ(coverage.missing(), std::vector<std::string>());
}

// The simulator finds each mistake that is planted, and soon.
class PlantedSizeRetentionFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedSizeRetentionFault, IsFound) {
  constexpr std::uint64_t kSeeds = 200;
  SizeCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string violation =
        SizeWorld({.seed = seed, .planted = static_cast<SizeRetentionFault>(GetParam())}, ignored).run();
    if (!violation.empty()) {
      std::cout << violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedSizeRetentionFault,
                         testing::Range(std::size_t{1}, kSizeRetentionFaults));

}  // namespace
}  // namespace flotilla::events::simulation
