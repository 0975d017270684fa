// What the file as a whole says of topics: who reads them, what is made of them, what is personal in them.
//
// For: config_file.cpp and platform.cpp. Ownership: values. Threads: pure functions. Limits: those of the
// file.
#pragma once

#include <vector>

#include "flotilla/app/config_file.hpp"
#include "flotilla/events/core/topic_deletion.hpp"
#include "flotilla/events/erasure.hpp"

namespace flotilla::app {

// That the store can do what topics ask for.
void check_topics(const ConfigFile& file, const config::Node& root, config::Problems& problems);

// Readers of topics beside subscriptions, which are not in the file alone.
[[nodiscard]] std::vector<events::TopicUse> views_of_topics(const ConfigFile& file);

}  // namespace flotilla::app
