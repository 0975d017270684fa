// What a view counts: written by its engine, read by metrics from any thread.
//
// Ownership: the shell's, so that they go on when an engine is made anew. Threads: one writer, any readers.
#pragma once

#include "flotilla/base/counter.hpp"

namespace flotilla::cqrs {

struct ViewCounters {
  Counter folded;   // events, when it is durable; those of rebuilds too
  Counter ignored;  // events without a key or row
  Counter saves;    // batches
  Counter loaded;   // rows that were read to be folded
  Counter flips;
  Counter rebuilds;  // versions that were begun beside one that is read
  Counter reloads;   // after a save that failed
  Counter failures;  // versions that stopped at an event
};

}  // namespace flotilla::cqrs
