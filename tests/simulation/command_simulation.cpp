// command_simulation FIRST SEEDS STEPS: lives of commands, one a seed, for ctest's label
// `simulation`.
//
// Exit 1 with the seed, the violated invariant and where its timeline is, or with what was never reached.
// command_simulation SEED 1 STEPS repeats one run.
#include <fstream>
#include <iostream>

#include "flotilla/base/text.hpp"
#include "flotilla/cqrs/simulation/command_world.hpp"

namespace {

using namespace flotilla::cqrs::simulation;

int report(CommandWorldConfig config, const std::string& violation) {
  CommandCoverage ignored;
  config.trace = true;
  const std::string path = "command-simulation-" + std::to_string(config.seed) + ".txt";
  std::ofstream(path) << CommandWorld(config, ignored).run().timeline;
  std::cerr << "seed " << config.seed << ": " << violation << "\ntimeline in " << path << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t numbers[3] = {1, 1000, 1500};
  for (int i = 1; i < argc && i <= 3; ++i) {
    const auto number = flotilla::parse_int<std::uint64_t>(argv[i]);
    if (!number) {
      std::cerr << "usage: command_simulation FIRST_SEED SEEDS STEPS\n";
      return 2;
    }
    numbers[i - 1] = *number;
  }
  const auto [first, seeds, steps] = numbers;
  CommandCoverage coverage;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const CommandWorldConfig config{.seed = seed, .steps = steps};
    const CommandOutcome outcome = CommandWorld(config, coverage).run();
    if (!outcome.violation.empty()) {
      return report(config, outcome.violation);
    }
  }
  std::cout << seeds << " seeds, " << coverage.steps << " steps, " << coverage.commits << " commits, "
            << coverage.crashes << " crashes\n";
  const auto missing = seeds < 100 ? std::vector<std::string>() : coverage.missing();
  for (const std::string& name : missing) {
    std::cerr << "never reached: " << name << "\n";
  }
  return missing.empty() ? 0 : 1;
}
