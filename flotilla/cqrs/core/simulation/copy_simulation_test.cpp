// Seeded lives of the copies of a view.
#include <fstream>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/cqrs/core/simulation/copy_world.hpp"

namespace flotilla::cqrs::simulation {
namespace {

TEST(CopySimulation, SomeSeeds) {
  CopyCoverage coverage;
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    const std::string violation = CopyWorld({.seed = seed}, coverage).run();
    if (!violation.empty()) {
      CopyCoverage ignored;
      CopyWorld again({.seed = seed, .trace = true}, ignored);
      (void)again.run();
      const std::string path = testing::TempDir() + "copy-simulation-" + std::to_string(seed) + ".txt";
      std::ofstream(path) << again.timeline();
      FAIL() << "seed " << seed << ": " << violation << "\ntimeline in " << path;
    }
  }
  std::cout << coverage.steps << " steps, " << coverage.counters.written.read() << " copies written, "
            << coverage.counters.resyncs.read() << " sweeps, " << coverage.counters.claims.read()
            << " claims\n";
  EXPECT_EQ(coverage.missing(), std::vector<std::string>());
}

void expect_found(CopyWorldConfig config) {
  constexpr std::uint64_t kSeeds = 1500;
  CopyCoverage ignored;
  for (config.seed = 1; config.seed <= kSeeds; ++config.seed) {
    if (const std::string violation = CopyWorld(config, ignored).run(); !violation.empty()) {
      std::cout << "seed " << config.seed << ": " << violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}

// The simulator finds each mistake that is planted, and soon.
class PlantedCopyFault : public testing::TestWithParam<std::size_t> {};
TEST_P(PlantedCopyFault, IsFound) { expect_found({.planted = static_cast<CopyFault>(GetParam())}); }
INSTANTIATE_TEST_SUITE_P(Each, PlantedCopyFault, testing::Range(std::size_t{1}, kCopyFaults));

class PlantedScriptFault : public testing::TestWithParam<std::size_t> {};
TEST_P(PlantedScriptFault, IsFound) { expect_found({.script = static_cast<ScriptFault>(GetParam())}); }
INSTANTIATE_TEST_SUITE_P(Each, PlantedScriptFault, testing::Range(std::size_t{1}, kScriptFaults));

}  // namespace
}  // namespace flotilla::cqrs::simulation
