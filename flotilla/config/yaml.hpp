// YAML text as a tree with positions, nothing expanded yet: the only file that knows the YAML library.
//
// Ownership: values. Threads: pure. Limits: kMostDepth levels and kMostNodes keys and values, checked while
// the text is read, so that nothing is built beyond them; aliases, which could repeat a part, are refused.
#pragma once

#include <optional>
#include <string_view>

#include "flotilla/config/node.hpp"

namespace flotilla::config {

// The tree of the one document in `text`, or nothing and the reasons in `problems`.
[[nodiscard]] std::optional<Node> read_yaml(std::string_view text, Problems& problems);

}  // namespace flotilla::config
