// What the copies of a view count: written by its engine, read by metrics from any thread.
//
// Ownership: the copier's. Threads: one writer, any readers.
#pragma once

#include "flotilla/base/counter.hpp"

namespace flotilla::cqrs {

struct CopyCounters {
  Counter written;    // copies that Redis took
  Counter removed;    // copies of keys that have nothing any more, or too much
  Counter too_large;  // answers that do not fit one page, so have no copy
  Counter not_taken;  // copies that Redis had no room for, and removed
  Counter batches;
  Counter claims;
  Counter resyncs;    // times that all was copied anew
  Counter overflows;  // of the set of keys that wait
  Counter refused;    // batches of a writer whose claim is not the last one
  Counter offered;    // reads that had a copy made
};

}  // namespace flotilla::cqrs
