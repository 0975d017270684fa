// The command line (DESIGN 4.1): parses, and calls what the program supplies.
//
// Results go to stdout, messages to stderr. Exit codes: 0 done, 1 what was asked failed or is invalid,
// 2 wrong usage; `up` also ends with Platform::kStoreFailed. Threads: main only.
#pragma once

#include <functional>
#include <string>

#include "flotilla/app/demo_ports.hpp"
#include "flotilla/app/simulate.hpp"

namespace flotilla::app {

struct Commands {
  std::function<int(const std::string& file)> up;
  std::function<int(const std::string& file)> check;
  std::function<int()> schema;
  std::function<int(bool tour, const DemoPorts& ports)> demo;
  std::function<int(const SimulateOptions& options)> simulate;
  std::function<void()> parsed;  // what was said is known, and the arguments are not looked at any more
  std::string version;
};

[[nodiscard]] int run_command_line(int argc, const char* const* argv, const Commands& commands);

}  // namespace flotilla::app
