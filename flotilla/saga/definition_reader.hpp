// Reads `sagas:` of the file into definitions; every fault with its place.
//
// For: the configuration. The keys stand here, what they must fulfil together in core/definition_check.hpp.
// Ownership: values. Threads: pure but for `sources`. Limits: those of the file and of definitions.
#pragma once

#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/saga/core/definition.hpp"

namespace flotilla::saga {

// The definitions of a mapping of names to sagas, in its order; none when there were problems. `sources`
// reads the files of schemas. `warnings` are what a person should look at.
[[nodiscard]] std::vector<DefinitionPtr> read_sagas(const config::Node& node, const config::Sources& sources,
                                                    config::Problems& problems, config::Problems& warnings);

// A JSON Schema of one saga, and the rows of its reference.
[[nodiscard]] std::string saga_schema();
[[nodiscard]] std::string saga_reference();
[[nodiscard]] std::string step_reference();

}  // namespace flotilla::saga
