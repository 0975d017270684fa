// Reads `topics:` of the file.
//
// For: the configuration. Ownership: values. Threads: pure but for `sources`. Limits: kMaxTopics, those of
// topic.hpp, and of the file.
#pragma once

#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/events/core/topic.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxTopics = 10'000;

// In the order of the file; what has problems is left out. `sources` reads the files of schemas.
[[nodiscard]] std::vector<TopicPtr> read_topics(const config::Node& node, const config::Sources& sources,
                                                config::Problems& problems);

// A topic that is only named.
[[nodiscard]] TopicPtr default_topic(std::string name);

// A JSON Schema of one topic, and the rows of its reference.
[[nodiscard]] std::string topic_schema();
[[nodiscard]] std::string topic_reference();

}  // namespace flotilla::events
