// `flotilla demo`: the shop, the platform and a tour, as processes on this machine.
//
// Starts this program with a file it writes, and the seven sample services, each a process of its own; all
// are ended with it, however it ends. SIGINT and SIGTERM stop it at any time. Its file, logs and data are in
// a folder of their own, which stays when something went wrong. Threads: main only, one loop.
#pragma once

#include "flotilla/app/demo_ports.hpp"

namespace flotilla::app {

// With `tour`, plays the tour and gives 0 only if every step saw what it should; without, prints it and
// serves until it is told to stop, which gives 0. Exit code of the program.
[[nodiscard]] int run_demo(bool tour, const DemoPorts& ports);

}  // namespace flotilla::app
