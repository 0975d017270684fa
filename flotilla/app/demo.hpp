// `flotilla demo`: the shop, the platform and a tour, as processes on this machine.
//
// Starts this program with a file it writes, and the seven sample services, each a process of its own; all
// are ended with it. Ports are the defaults of the design (8000, 8010, 8500, 9900; services 9101..9107).
// Threads: main only.
#pragma once

namespace flotilla::app {

// With `tour`, plays the tour and gives 0 only if every step saw what it should; without, prints it and
// serves until Ctrl-C. Exit code of the program.
[[nodiscard]] int run_demo(bool tour);

}  // namespace flotilla::app
