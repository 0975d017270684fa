// What a topic keeps, beside its age.
//
// For: topic_keeper.hpp, which sees to it, and the checks of the file; read with the topic, and apart from
// topic.hpp, because few need it. Ownership: values. Threads: any. Limits: none.
#pragma once

#include "flotilla/events/core/topic.hpp"

namespace flotilla::events {

struct TopicRetention {
  bool compact = false;  // of each key the last event
};

// As read_topics() and default_topic() make them, so all that there are.
struct RetainedTopic : Topic {
  TopicRetention retention;
};

[[nodiscard]] const TopicRetention& retention_of(const Topic& topic) noexcept;

}  // namespace flotilla::events
