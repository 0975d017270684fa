// What the file as a whole says about its choreographies, once each of its parts was read.
//
// For: config_file.cpp. Ownership: values. Threads: pure functions. Limits: those of
// events/core/choreography.hpp.
#pragma once

#include <functional>
#include <string>

#include "flotilla/app/config_file.hpp"

namespace flotilla::app {

// Dead letters of a choreography's events are linked to them: their topics, of the file's subscriptions, are
// read, too. Rows are kept beside the journal, which a shared one does not do yet.
void check_choreographies(ConfigFile& file, const config::Node& root, config::Problems& problems);

// Calls `add` for each topic that a choreography names.
void add_choreography_topics(const ConfigFile& file, const std::function<void(const std::string&)>& add);

}  // namespace flotilla::app
