// subscription_simulation FIRST SEEDS EVENTS: lives of a subscription, one a seed, for ctest's label
// `simulation`.
//
// Exit 1 with the seed, the violated invariant and where its timeline is, or with what was never reached.
// subscription_simulation SEED 1 EVENTS repeats one run.
#include <iostream>

#include "flotilla/events/core/simulation/subscription_world.hpp"
#include "tests/simulation/seeds.hpp"

namespace {

using namespace flotilla::events::simulation;

int report(WorldConfig config, const std::string& violation) {
  Coverage ignored;
  config.trace = true;
  return flotilla::simulation::report("subscription", config.seed, violation,
                                      World(config, ignored).run().timeline);
}

}  // namespace

int main(int argc, char** argv) {
  const auto seeds = flotilla::simulation::read_seeds(argc, argv, "subscription", "EVENTS");
  if (!seeds) {
    return 2;
  }
  Coverage coverage;
  for (std::uint64_t seed = seeds->first; seed < seeds->first + seeds->count; ++seed) {
    const WorldConfig config{.seed = seed, .events = seeds->length};
    const Outcome outcome = World(config, coverage).run();
    if (!outcome.violation.empty()) {
      return report(config, outcome.violation);
    }
  }
  std::cout << seeds->count << " seeds, " << coverage.events << " events of the world, " << coverage.published
            << " published, " << coverage.crashes << " crashes\n";
  return flotilla::simulation::conclude(*seeds, coverage.missing());
}
