// What an event lacks is filled in, and its data is checked, before it is kept.
//
// For: publishing. Filled in where it is missing: id (a ULID), source (/topics/TOPIC), type (the topic),
// datacontenttype (of JSON), time, correlationid and causationid (the request's, else the event's own id: it
// begins a transaction), partitionkey (by the topic's `key`), traceparent (the request's).
// Ownership: values. Threads: pure functions. Limits: those of an event, an expression and a schema.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/core/topic.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::events {

// What the request that publishes belongs to; each may be empty.
struct Origin {
  std::string_view correlation;
  std::string_view causation;
  std::string_view traceparent;  // well-formed
};

struct CompleteEvent {
  journal::Event event;
  bool own_id = false;  // made here, so no other event has it
};

// Errors: invalid (against the schema, with the path; a key that is no text, number or boolean), malformed
// (time is no RFC 3339), too_large (encoded over journal::kMaxBody).
[[nodiscard]] Asked<CompleteEvent> complete(const Topic& topic, journal::Event event, const Origin& origin,
                                            WallTime now, Random& random);

}  // namespace flotilla::events
