// Makes a failing seed smaller: fewer events, fewer kinds of faults, as long as something still goes wrong.
//
// For: whoever has to read the timeline. Runs the seed some fifty times; what is left is not the least there
// is, but nothing of it can be left out alone. Ownership, threads: a pure function.
#pragma once

#include <string>

#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {

struct Shrunk {
  WorldConfig config;     // runs into `violation`
  std::string violation;  // of the same invariant as that of the whole seed
};

// `config` must fail; if it does not, it comes back as it is with an empty violation.
[[nodiscard]] Shrunk shrink(const WorldConfig& config, const Catalogue& catalogue);

// "42 events, with crash, lose-answer": what is left of it.
[[nodiscard]] std::string to_string(const Shrunk& shrunk);

}  // namespace flotilla::saga::simulation
