// What a subscription counts: written by its engine, read by metrics from any thread.
//
// Ownership: the shell's, so that they go on when an engine is made anew. Threads: one writer, any readers.
#pragma once

#include <array>

#include "flotilla/base/counter.hpp"
#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/events/core/delivery_verdict.hpp"

namespace flotilla::events {

struct SubscriptionCounters {
  Counter sent;                                    // attempts
  Counter redelivered;                             // those after the first of an event
  std::array<Counter, kDeliveryRows> answers;      // by row of the table of verdicts
  Counter acknowledged;                            // events, when it is durable; so the three below
  std::array<Counter, kDeadReasons> dead_letters;  // by reason
  Counter expired;
  Counter filtered;
  Counter redriven;  // dead letters that were sent again and delivered
  Counter returned;  // ... that failed again
  Counter ack_timeouts;
  Counter paused;    // by an answer, not by a person
  Counter at_bound;  // how often it stopped reading
  Counter reloads;   // after an append that failed
};

}  // namespace flotilla::events
