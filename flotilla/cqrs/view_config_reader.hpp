// Reads `views:` of the file.
//
// For: the configuration. Ownership: values. Threads: pure. Limits: kMaxViews, those of
// core/view_definition.hpp, and of the file.
#pragma once

#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/cqrs/core/view_definition.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxViews = 256;
inline constexpr Duration kLeastCache = std::chrono::seconds(1);
inline constexpr Duration kMostCache = std::chrono::days(30);

// In the order of the file; what has problems is left out.
[[nodiscard]] std::vector<ViewDefinitionPtr> read_views(const config::Node& node, config::Problems& problems);

// A JSON Schema of one view, and the rows of its reference.
[[nodiscard]] std::string view_schema();
[[nodiscard]] std::string view_reference();

}  // namespace flotilla::cqrs
