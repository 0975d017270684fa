// What a topic keeps, beside its age.
//
// For: topic_keeper.hpp, which sees to it, and the checks of the file; read with the topic, and apart from
// topic.hpp, because few need it. Ownership: values. Threads: any. Limits: none.
#pragma once

#include <cstdint>

#include "flotilla/events/core/topic.hpp"

namespace flotilla::events {

inline constexpr std::uint64_t kLeastRetainedSize = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMostRetainedSize = std::uint64_t{1} << 50;

struct TopicRetention {
  bool compact = false;    // of each key the last event
  std::uint64_t size = 0;  // bytes; 0: any
};

// As read_topics() and default_topic() make them, so all that there are.
struct RetainedTopic : Topic {
  TopicRetention retention;
};

[[nodiscard]] const TopicRetention& retention_of(const Topic& topic) noexcept;

}  // namespace flotilla::events
