// outbox_simulation FIRST SEEDS EVENTS: lives of an outbox's relay, one a seed, for ctest's label
// `simulation`.
//
// Exit 1 with the seed and the violated invariant, or with what was never reached.
#include <iostream>

#include "flotilla/events/core/simulation/outbox_world.hpp"
#include "tests/simulation/seeds.hpp"

int main(int argc, char** argv) {
  using namespace flotilla::events::simulation;
  const auto seeds = flotilla::simulation::read_seeds(argc, argv, "outbox", "EVENTS");
  if (!seeds) {
    return 2;
  }
  OutboxCoverage coverage;
  for (std::uint64_t seed = seeds->first; seed < seeds->first + seeds->count; ++seed) {
    if (const std::string violation = OutboxWorld({.seed = seed, .events = seeds->length}, coverage).run();
        !violation.empty()) {
      std::cerr << violation << "\n";
      return 1;
    }
  }
  std::cout << seeds->count << " seeds";
  for (const auto& [what, count] : coverage.counts) {
    std::cout << ", " << what << " " << count;
  }
  std::cout << "\n";
  return flotilla::simulation::conclude(*seeds, coverage.missing());
}
