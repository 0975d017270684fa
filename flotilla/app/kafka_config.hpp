// What the file as a whole says about Kafka, once each of its parts was read.
//
// For: config_file.cpp. Ownership: values. Threads: pure functions. Limits: none of its own.
#pragma once

#include "flotilla/app/config_file.hpp"

namespace flotilla::app {

// The bridge is of one process so far.
void check_kafka(const ConfigFile& file, const config::Node& root, config::Problems& problems);

// The dead letters of the bridge have topics, which can be read.
void add_kafka_topics(ConfigFile& file);

}  // namespace flotilla::app
