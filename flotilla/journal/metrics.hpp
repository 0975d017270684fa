// What a journal counts, for telemetry to read.
//
// Ownership: part of the Journal. Threads: each counter has one writer (named below), any reader.
#pragma once

#include <array>

#include "flotilla/base/counter.hpp"

namespace flotilla::journal {

struct Metrics {
  // The writer.
  Counter commits;                         // transactions made durable
  Counter batches;                         // batches in them
  Counter records;                         // records in them
  Counter refused;                         // batches refused: conflicts, keys taken, stale epochs
  Counter failed;                          // batches that the store could not commit
  Histogram commit_time;                   // of the COMMIT alone: writing and syncing the log
  std::array<Counter, 12> commit_batches;  // commits by number of batches: 1, 2..3, 4..7, ... 2048 and more
  Counter wal_bytes;                       // a gauge: the write-ahead log since it was last emptied
  // The checkpointer.
  Counter checkpoints;
  Counter checkpoint_stalls;  // those for which the writer had to wait
  Histogram checkpoint_time;
  // Whoever enqueues, under the queue's lock.
  Counter overloaded;     // batches refused because the queue or the log was full
  Counter unavailable;    // batches refused because the store has failed for good
  Counter queue_batches;  // a gauge
  Counter queue_bytes;    // a gauge
  // Readers, under their queue's lock.
  Counter reads;
  Counter reads_refused;  // because too many waited
};

}  // namespace flotilla::journal
