// What the programs that simulate whole worlds share: NAME FIRST SEEDS LENGTH, a run a seed.
//
// For: the mains of this folder. Ownership, threads: plain functions of one thread. Limits: none.
#pragma once

#include <cstdint>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/text.hpp"

namespace flotilla::simulation {

// From how many runs on every situation that a coverage names must have been reached.
inline constexpr std::uint64_t kSeedsThatReachAll = 100;

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
  std::uint64_t length = 1500;  // of a run
};

// The command line over the defaults. `length` is what a run is measured in, such as EVENTS. Nothing: it is
// wrong, and that has been said.
inline std::optional<Seeds> read_seeds(int argc, char** argv, std::string_view name, std::string_view length,
                                       Seeds seeds = {}) {
  std::uint64_t* const numbers[] = {&seeds.first, &seeds.count, &seeds.length};
  for (int i = 1; i < argc && i <= 3; ++i) {
    const auto number = parse_int<std::uint64_t>(argv[i]);
    if (!number) {
      std::cerr << "usage: " << name << "_simulation FIRST_SEED SEEDS " << length << "\n";
      return std::nullopt;
    }
    *numbers[i - 1] = *number;
  }
  return seeds;
}

// Keeps the timeline of a run in this folder and says what it violates; the exit code.
inline int report(std::string_view name, std::uint64_t seed, std::string_view violation,
                  std::string_view timeline) {
  const std::string path = std::string(name) + "-simulation-" + std::to_string(seed) + ".txt";
  std::ofstream(path) << timeline;
  std::cerr << "seed " << seed << ": " << violation << "\ntimeline in " << path << "\n";
  return 1;
}

// Says what was never reached, where there were runs enough to reach all; the exit code.
inline int conclude(const Seeds& seeds, const std::vector<std::string>& missing) {
  if (seeds.count < kSeedsThatReachAll) {
    return 0;
  }
  for (const std::string& name : missing) {
    std::cerr << "never reached: " << name << "\n";
  }
  return missing.empty() ? 0 : 1;
}

}  // namespace flotilla::simulation
