// Answers about topics in HTTP.
//
// Ownership: values. Threads: pure functions. Limits: those of what is answered.
#pragma once

#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/events/topic_reader.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::events {

[[nodiscard]] http::Response refusal_answer(const Refusal& refusal);
// 202, {position, events: [{id, position, duplicate}]}, and the header Position.
[[nodiscard]] http::Response publication_answer(const Publication& publication);
// {events: [...], next: TOKEN}; a problem where a record cannot be read.
[[nodiscard]] http::Response page_answer(const TopicPage& page);

}  // namespace flotilla::events
