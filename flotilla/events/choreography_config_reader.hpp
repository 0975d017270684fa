// Reads `choreographies:` of the file.
//
// For: the configuration. Ownership: values. Threads: pure. Limits: those of core/choreography.hpp, and of
// the file.
#pragma once

#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/events/core/choreography.hpp"

namespace flotilla::events {

// In the order of the file; what has problems is left out.
[[nodiscard]] std::vector<ChoreographyPtr> read_choreographies(const config::Node& node,
                                                               config::Problems& problems);

// A JSON Schema of one choreography, and the rows of its reference.
[[nodiscard]] std::string choreography_schema();
[[nodiscard]] std::string choreography_reference();

}  // namespace flotilla::events
