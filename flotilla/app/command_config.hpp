// What the file as a whole says about its aggregates, once each of its parts was read.
//
// For: config_file.cpp. Ownership: values. Threads: pure functions. Limits: none of its own.
#pragma once

#include <vector>

#include "flotilla/app/config_file.hpp"

namespace flotilla::app {

// Whom the checks of commands call.
[[nodiscard]] std::vector<ServiceName> services_of(const std::vector<cqrs::AggregatePtr>& aggregates);

// A check that waits in a queue has not been answered.
void check_aggregates(const ConfigFile& file, const config::Node& root, config::Problems& problems);

}  // namespace flotilla::app
