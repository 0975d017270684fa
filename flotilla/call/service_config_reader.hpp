// Reads one entry of `services:` (and `defaults:`) into a ServiceConfig.
#pragma once

#include "flotilla/call/service_config.hpp"
#include "flotilla/config/spec.hpp"

namespace flotilla::call {

// The keys of a service; `read` starts from the defaults already in the value.
[[nodiscard]] const config::Spec<ServiceConfig>& service_spec();
// The keys of `defaults:`: those of a service that make sense for all.
[[nodiscard]] const config::Spec<ServiceConfig>& defaults_spec();

}  // namespace flotilla::call
