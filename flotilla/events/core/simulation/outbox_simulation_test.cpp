// Seeded lives of the relay of an outbox.
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/events/core/simulation/outbox_world.hpp"

namespace flotilla::events::simulation {
namespace {

TEST(OutboxSimulation, SomeSeeds) {
  constexpr std::uint64_t kSeeds = 200;
  OutboxCoverage coverage;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    ASSERT_EQ(OutboxWorld({.seed = seed, .events = 1500}, coverage).run(), "");
  }
  EXPECT_EQ(coverage.missing(), std::vector<std::string>());
}

// The simulator finds each mistake that is planted in the relay, and soon.
class PlantedOutboxFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedOutboxFault, IsFound) {
  constexpr std::uint64_t kSeeds = 200;
  OutboxCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string violation =
        OutboxWorld({.seed = seed, .events = 1500, .planted = static_cast<OutboxFault>(GetParam())}, ignored)
            .run();
    if (!violation.empty()) {
      std::cout << violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedOutboxFault, testing::Range(std::size_t{1}, kOutboxFaults));

}  // namespace
}  // namespace flotilla::events::simulation
