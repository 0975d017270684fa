// Events as messages of Kafka, and back: CloudEvents' Kafka binding.
//
//   out   binary mode: attributes as headers ce_*, the content type as content-type, the data as the value,
//   the
//         partitionkey as the key; beside them `flotilla-group`, the group whose journal has the event
//         already
//   in    binary mode, or structured (a content-type of application/cloudevents+json); anything else is a
//   plain
//         message, and wrapped: its id is TOPIC/PARTITION/OFFSET/TIMESTAMP, its source /kafka/TOPIC
//
// A message whose `flotilla-group` is the reader's own group is an echo: a member of the group has the event
// in its journal, and it is not kept again. Ownership: values. Threads: pure functions. Limits: those of
// cloud_event.hpp; a key that no attribute may have, and headers of plain messages but for traceparent,
// correlationid and causationid, are left out.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/kafka_message.hpp"

namespace flotilla::events {

inline constexpr std::string_view kGroupHeader = "flotilla-group";

// `event` outlives what is made of it.
[[nodiscard]] journal::kafka::Outgoing to_kafka(std::string topic, const journal::Event& event,
                                                std::string_view group);

struct ReceivedEvent {
  enum class Kind : std::uint8_t {
    echo,        // ours
    event,       // a CloudEvent
    wrapped,     // a plain message, as an event
    unreadable,  // it says that it is a CloudEvent and is none: wrapped, with `why`
  };
  Kind kind = Kind::event;
  journal::Event event;  // has id and source, but for echoes
  std::string why;
};
[[nodiscard]] ReceivedEvent from_kafka(journal::kafka::Incoming message, std::string_view group);

}  // namespace flotilla::events
