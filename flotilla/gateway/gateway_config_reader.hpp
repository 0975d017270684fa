// Reads `gateways:` and `compositions:` of the file.
#pragma once

#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/gateway/gateway_config.hpp"

namespace flotilla::gateway {

// `file` names it in the places that are kept with texts for later errors.
[[nodiscard]] std::vector<GatewayConfig> read_gateways(const config::Node& node, const std::string& file,
                                                       config::Problems& problems);
[[nodiscard]] std::vector<CompositionConfig> read_compositions(const config::Node& node,
                                                               const std::string& file,
                                                               config::Problems& problems);
// The JSON Schemas of one gateway and of one composition.
[[nodiscard]] std::string gateway_schema();
[[nodiscard]] std::string composition_schema();
// Rows of a Markdown table about the keys of one gateway.
[[nodiscard]] std::string gateway_reference();

}  // namespace flotilla::gateway
