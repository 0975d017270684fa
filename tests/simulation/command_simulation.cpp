// command_simulation FIRST SEEDS STEPS: lives of commands, one a seed, for ctest's label
// `simulation`.
//
// Exit 1 with the seed, the violated invariant and where its timeline is, or with what was never reached.
// command_simulation SEED 1 STEPS repeats one run.
#include <iostream>

#include "flotilla/cqrs/simulation/command_world.hpp"
#include "tests/simulation/seeds.hpp"

namespace {

using namespace flotilla::cqrs::simulation;

int report(CommandWorldConfig config, const std::string& violation) {
  CommandCoverage ignored;
  config.trace = true;
  return flotilla::simulation::report("command", config.seed, violation,
                                      CommandWorld(config, ignored).run().timeline);
}

}  // namespace

int main(int argc, char** argv) {
  const auto seeds = flotilla::simulation::read_seeds(argc, argv, "command", "STEPS");
  if (!seeds) {
    return 2;
  }
  CommandCoverage coverage;
  for (std::uint64_t seed = seeds->first; seed < seeds->first + seeds->count; ++seed) {
    const CommandWorldConfig config{.seed = seed, .steps = seeds->length};
    const CommandOutcome outcome = CommandWorld(config, coverage).run();
    if (!outcome.violation.empty()) {
      return report(config, outcome.violation);
    }
  }
  std::cout << seeds->count << " seeds, " << coverage.steps << " steps, " << coverage.commits << " commits, "
            << coverage.crashes << " crashes\n";
  return flotilla::simulation::conclude(*seeds, coverage.missing());
}
