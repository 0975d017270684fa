// `flotilla simulate`: a file's saga in the simulated world, as a command.
//
// For: main. Reads the file, runs seed after seed within a time, prints what was found. Ownership: none.
// Threads: main only. Limits: those of the options; memory does not grow with the number of seeds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/base/time.hpp"

namespace flotilla::app {

struct SimulateOptions {
  std::string file;
  std::string saga;  // may be empty if the file has only one
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1000;
  std::size_t events = 500;
  std::string input;                // JSON; empty: made up
  std::vector<std::string> accept;  // KIND or KIND:STEP
  std::uint32_t within_s = 60;      // seconds; what is not done by then is not run
  bool json = false;
  bool trace = false;  // of the one seed
};

// 0: every seed ended well. 1: a violation or a finding, or the file, the saga or the input is not valid.
[[nodiscard]] int simulate(const SimulateOptions& options);

}  // namespace flotilla::app
