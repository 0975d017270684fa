// The description of the whole file, by which it is read, and from which its schema and reference are
// written.
//
// For: config_file.cpp, which has it and reads; config_reference.cpp, which writes. Ownership: values.
// Threads: pure functions. Limits: none of its own.
#pragma once

#include <string>

#include "flotilla/app/config_file.hpp"
#include "flotilla/config/spec.hpp"

namespace flotilla::app {

// `path`: of the file, relative paths are relative to its folder. `sources` outlive whatever is read by it.
[[nodiscard]] config::Spec<ConfigFile> file_spec(const std::string& path, const config::Sources& sources);

[[nodiscard]] const config::Spec<TelemetryConfig>& telemetry_spec();

}  // namespace flotilla::app
