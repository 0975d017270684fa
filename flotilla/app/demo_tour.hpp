// The steps of the demo's tour, each checked against what it should show.
#pragma once

#include "flotilla/app/demo_processes.hpp"

namespace flotilla::app {

// Plays every step against the running demo; true if all showed what they should.
[[nodiscard]] bool play_tour(DemoProcesses& processes);

}  // namespace flotilla::app
