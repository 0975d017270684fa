// outbox_simulation FIRST SEEDS EVENTS: lives of an outbox's relay, one a seed, for ctest's label
// `simulation`.
//
// Exit 1 with the seed and the violated invariant, or with what was never reached.
#include <iostream>

#include "flotilla/base/text.hpp"
#include "flotilla/events/core/simulation/outbox_world.hpp"

int main(int argc, char** argv) {
  using namespace flotilla::events::simulation;
  std::uint64_t numbers[3] = {1, 1000, 1500};
  for (int i = 1; i < argc && i <= 3; ++i) {
    const auto number = flotilla::parse_int<std::uint64_t>(argv[i]);
    if (!number) {
      std::cerr << "usage: outbox_simulation FIRST_SEED SEEDS EVENTS\n";
      return 2;
    }
    numbers[i - 1] = *number;
  }
  const auto [first, seeds, events] = numbers;
  OutboxCoverage coverage;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    if (const std::string violation = OutboxWorld({.seed = seed, .events = events}, coverage).run();
        !violation.empty()) {
      std::cerr << violation << "\n";
      return 1;
    }
  }
  std::cout << seeds << " seeds";
  for (const auto& [what, count] : coverage.counts) {
    std::cout << ", " << what << " " << count;
  }
  std::cout << "\n";
  const auto missing = seeds < 100 ? std::vector<std::string>() : coverage.missing();
  for (const std::string& name : missing) {
    std::cerr << "never reached: " << name << "\n";
  }
  return missing.empty() ? 0 : 1;
}
