// The texts of the demo: the file it runs, and the tour for a person to type.
#pragma once

#include <string>

#include "flotilla/app/demo_ports.hpp"

namespace flotilla::app {

[[nodiscard]] std::string demo_file(const DemoPorts& ports, bool redis);
// What docs/demo.md explains at length.
[[nodiscard]] std::string demo_guide(const DemoPorts& ports);

}  // namespace flotilla::app
