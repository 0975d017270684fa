// Seeded lives of two Kafka bridges.
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/events/core/simulation/kafka_world.hpp"

namespace flotilla::events::simulation {
namespace {

// Runs seeds [first, first + count); the first violation fails with its timeline.
void run_seeds(std::uint64_t first, std::uint64_t count, std::size_t events, KafkaCoverage& coverage) {
  std::cout << "seeds " << first << " to " << first + count - 1 << "\n";
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const KafkaOutcome outcome = KafkaWorld({.seed = seed, .events = events}, coverage).run();
    if (!outcome.violation.empty()) {
      KafkaCoverage ignored;
      const KafkaOutcome again = KafkaWorld({.seed = seed, .events = events, .trace = true}, ignored).run();
      const std::string path = testing::TempDir() + "kafka-simulation-" + std::to_string(seed) + ".txt";
      std::ofstream(path) << again.timeline;
      ADD_FAILURE() << "seed " << seed << ": " << outcome.violation << "\ntimeline in " << path;
      return;
    }
  }
}

TEST(KafkaSimulation, SomeSeeds) {
  KafkaCoverage coverage;
  run_seeds(1, 300, 1500, coverage);
  std::cout << coverage.published << " published, " << coverage.produced << " produced by others, "
            << coverage.sent.sent.read() << " sent, " << coverage.sent.resent.read() << " of them again, "
            << coverage.received.received.read() << " received, " << coverage.received.echoes.read()
            << " of them echoes\n";
  if (!HasFailure()) {
    EXPECT_EQ(coverage.missing(), std::vector<std::string>());
  }
}

// The simulator finds each mistake that is planted in the cores, and soon.
std::string find(KafkaOutboxFault outbox, KafkaInboxFault inbox) {
  constexpr std::uint64_t kSeeds = 300;
  KafkaCoverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const KafkaOutcome outcome =
        KafkaWorld({.seed = seed, .events = 1000, .outbox_fault = outbox, .inbox_fault = inbox}, ignored)
            .run();
    if (!outcome.violation.empty()) {
      std::cout << "seed " << seed << ": " << outcome.violation << "\n";
      return outcome.violation;
    }
  }
  return {};
}

class PlantedKafkaOutboxFault : public testing::TestWithParam<std::size_t> {};
TEST_P(PlantedKafkaOutboxFault, IsFound) {
  EXPECT_NE(find(static_cast<KafkaOutboxFault>(GetParam()), KafkaInboxFault::none), "");
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedKafkaOutboxFault, testing::Range(std::size_t{1}, kKafkaOutboxFaults));

class PlantedKafkaInboxFault : public testing::TestWithParam<std::size_t> {};
TEST_P(PlantedKafkaInboxFault, IsFound) {
  EXPECT_NE(find(KafkaOutboxFault::none, static_cast<KafkaInboxFault>(GetParam())), "");
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedKafkaInboxFault, testing::Range(std::size_t{1}, kKafkaInboxFaults));

}  // namespace
}  // namespace flotilla::events::simulation
