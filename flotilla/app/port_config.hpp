// `admin:`, `api:` and `registry:` of the file, the control ports, and what all ports together must keep to.
//
// For: config_file.cpp, config_reference.cpp. Ownership: values; the specs stay. Threads: pure functions.
// Limits: those of the file.
#pragma once

#include "flotilla/app/config_file.hpp"
#include "flotilla/config/spec.hpp"

namespace flotilla::app {

[[nodiscard]] const config::Spec<ControlConfig>& admin_spec();
[[nodiscard]] const config::Spec<ApiConfig>& api_spec();
[[nodiscard]] const config::Spec<RegistryConfig>& registry_spec();

// That each address can be listened on, once, and that a control port beyond loopback asks for a token.
void check_listeners(const ConfigFile& file, const config::Node& root, config::Problems& problems);

// That the other processes of a shared journal can reach this one.
void check_shared_journal(const ConfigFile& file, const config::Node& root, config::Problems& problems);

}  // namespace flotilla::app
