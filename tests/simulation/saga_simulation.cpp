// saga_simulation FIRST SEEDS EVENTS: lives of the saga engine, one a seed, for ctest's label `simulation`.
//
// Exit 1 with the seed, the violated invariant and where its timeline is, or with what was never reached.
// saga_simulation SEED 1 EVENTS repeats one run.
#include <iostream>

#include "flotilla/saga/core/simulation/shrink.hpp"
#include "tests/simulation/seeds.hpp"

namespace {

using namespace flotilla::saga::simulation;

int report(const Catalogue& catalogue, const WorldConfig& config, const std::string& violation) {
  Coverage ignored;
  const Shrunk shrunk = shrink(config, catalogue);
  WorldConfig traced = shrunk.config;
  traced.trace = true;
  const std::string smaller = "\nsmaller: " + to_string(shrunk) + ": " + shrunk.violation;
  return flotilla::simulation::report("saga", config.seed, violation + smaller,
                                      text_of(World(traced, catalogue, ignored).run().timeline));
}

}  // namespace

int main(int argc, char** argv) {
  const auto seeds =
      flotilla::simulation::read_seeds(argc, argv, "saga", "EVENTS", {.count = 5000, .length = 2000});
  if (!seeds) {
    return 2;
  }
  const Catalogue catalogue;
  Coverage coverage;
  for (std::uint64_t seed = seeds->first; seed < seeds->first + seeds->count; ++seed) {
    const WorldConfig config{.seed = seed, .events = seeds->length};
    const Outcome outcome = World(config, catalogue, coverage).run();
    if (!outcome.violation.empty()) {
      return report(catalogue, config, outcome.violation);
    }
  }
  std::cout << seeds->count << " seeds, " << coverage.events << " events, " << coverage.sagas << " sagas, "
            << coverage.crashed << " crashes\n";
  return flotilla::simulation::conclude(*seeds, coverage.missing());
}
