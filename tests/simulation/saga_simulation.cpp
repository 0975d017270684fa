// saga_simulation FIRST SEEDS EVENTS: lives of the saga engine, one a seed, for ctest's label `simulation`.
//
// Exit 1 with the seed, the violated invariant and where its timeline is, or with what was never reached.
// saga_simulation SEED 1 EVENTS repeats one run.
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/simulation/shrink.hpp"

namespace {

using namespace flotilla::saga::simulation;

int report(const Catalogue& catalogue, const WorldConfig& config, const std::string& violation) {
  Coverage ignored;
  const Shrunk shrunk = shrink(config, catalogue);
  WorldConfig traced = shrunk.config;
  traced.trace = true;
  const std::string path = "saga-simulation-" + std::to_string(config.seed) + ".txt";
  std::ofstream(path) << text_of(World(traced, catalogue, ignored).run().timeline);
  std::cerr << "seed " << config.seed << ": " << violation << "\nsmaller: " << to_string(shrunk) << ": "
            << shrunk.violation << "\ntimeline in " << path << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t numbers[3] = {1, 5000, 2000};
  for (int i = 1; i < argc && i <= 3; ++i) {
    const auto number = flotilla::parse_int<std::uint64_t>(argv[i]);
    if (!number) {
      std::cerr << "usage: saga_simulation FIRST_SEED SEEDS EVENTS\n";
      return 2;
    }
    numbers[i - 1] = *number;
  }
  const auto [first, seeds, events] = numbers;
  const Catalogue catalogue;
  Coverage coverage;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const WorldConfig config{.seed = seed, .events = events};
    const Outcome outcome = World(config, catalogue, coverage).run();
    if (!outcome.violation.empty()) {
      return report(catalogue, config, outcome.violation);
    }
  }
  std::cout << seeds << " seeds, " << coverage.events << " events, " << coverage.sagas << " sagas, "
            << coverage.crashed << " crashes\n";
  const auto missing = seeds < 100 ? std::vector<std::string>() : coverage.missing();
  for (const std::string& name : missing) {
    std::cerr << "never reached: " << name << "\n";
  }
  return missing.empty() ? 0 : 1;
}
