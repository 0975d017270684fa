// queue_simulation FIRST SEEDS EVENTS: lives of a queue for later, one a seed, for ctest's label
// `simulation`.
//
// Exit 1 with the seed, the violated invariant and where its timeline is, or with what was never reached.
// queue_simulation SEED 1 EVENTS repeats one run.
#include <iostream>

#include "flotilla/events/core/simulation/queue_world.hpp"
#include "tests/simulation/seeds.hpp"

namespace {

using namespace flotilla::events::simulation;

int report(QueueWorldConfig config, const std::string& violation) {
  QueueCoverage ignored;
  config.trace = true;
  return flotilla::simulation::report("queue", config.seed, violation,
                                      QueueWorld(config, ignored).run().timeline);
}

}  // namespace

int main(int argc, char** argv) {
  const auto seeds = flotilla::simulation::read_seeds(argc, argv, "queue", "EVENTS");
  if (!seeds) {
    return 2;
  }
  QueueCoverage coverage;
  for (std::uint64_t seed = seeds->first; seed < seeds->first + seeds->count; ++seed) {
    const QueueWorldConfig config{.seed = seed, .events = seeds->length};
    const QueueRunOutcome outcome = QueueWorld(config, coverage).run();
    if (!outcome.violation.empty()) {
      return report(config, outcome.violation);
    }
  }
  std::cout << seeds->count << " seeds, " << coverage.events << " events of the world, " << coverage.crashes
            << " crashes\n";
  return flotilla::simulation::conclude(*seeds, coverage.missing());
}
