// Seeded lives of a queue for later.
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/events/core/simulation/queue_world.hpp"

namespace flotilla::events::simulation {
namespace {

TEST(QueueSimulation, SomeSeeds) {
  constexpr std::uint64_t kSeeds = 150;
  constexpr std::size_t kEvents = 1200;
  QueueCoverage coverage;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const QueueRunOutcome outcome = QueueWorld({.seed = seed, .events = kEvents}, coverage).run();
    if (!outcome.violation.empty()) {
      QueueCoverage ignored;
      const QueueRunOutcome again =
          QueueWorld({.seed = seed, .events = kEvents, .trace = true}, ignored).run();
      const std::string path = testing::TempDir() + "queue-simulation-" + std::to_string(seed) + ".txt";
      std::ofstream(path) << again.timeline;
      FAIL() << "seed " << seed << ": " << outcome.violation << "\ntimeline in " << path;
    }
  }
  std::cout << coverage.events << " events of the world, " << coverage.crashes << " crashes\n";
  EXPECT_EQ(coverage.missing(), std::vector<std::string>());
}

// The simulator finds each mistake that is planted in the engine, and soon.
class PlantedQueueFault : public testing::TestWithParam<std::size_t> {};

TEST_P(PlantedQueueFault, IsFound) {
  constexpr std::uint64_t kSeeds = 300;
  QueueCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const QueueRunOutcome outcome =
        QueueWorld({.seed = seed, .events = 800, .planted = static_cast<QueueFault>(GetParam())}, ignored)
            .run();
    if (!outcome.violation.empty()) {
      std::cout << "seed " << seed << ": " << outcome.violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedQueueFault, testing::Range(std::size_t{1}, kQueueFaults));

}  // namespace
}  // namespace flotilla::events::simulation
