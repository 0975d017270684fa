// Reads `aggregates:` of the file.
//
// For: the configuration. Ownership: values. Threads: pure but for `sources`. Limits: kMaxAggregates,
// kMaxAggregateCommands, those of core/aggregate.hpp, and of the file.
#pragma once

#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxAggregates = 256;
inline constexpr std::size_t kMaxAggregateCommands = 64;

// In the order of the file; what has problems is left out. `sources` gives the files of schemas.
[[nodiscard]] std::vector<AggregatePtr> read_aggregates(const config::Node& node,
                                                        const config::Sources& sources,
                                                        config::Problems& problems);

// A JSON Schema of one aggregate, and the rows of the references of one and of its commands.
[[nodiscard]] std::string aggregate_schema();
[[nodiscard]] std::string aggregate_reference();
[[nodiscard]] std::string command_reference();

}  // namespace flotilla::cqrs
