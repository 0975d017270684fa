// The steps of the demo's tour, each checked against what it should show (docs/demo.md).
#pragma once

#include "flotilla/app/demo_ports.hpp"
#include "flotilla/app/demo_processes.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::app {

// Plays every step against the running demo; true if all showed what they should.
// `redis`: it runs with one.
[[nodiscard]] net::Task<bool> play_tour(net::Loop& loop, DemoProcesses& processes, DemoPorts ports,
                                        bool redis);

}  // namespace flotilla::app
