// What the file as a whole says about its views, once each of its parts was read.
//
// For: config_file.cpp. Ownership: values. Threads: pure functions. Limits: none of its own.
#pragma once

#include "flotilla/app/config_file.hpp"

namespace flotilla::app {

// What a view that is built anew could not see any more is worth a word before.
void warn_of_views(ConfigFile& file, const config::Node& root);

}  // namespace flotilla::app
