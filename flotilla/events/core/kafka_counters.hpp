// What the Kafka bridge counts.
//
// Ownership: values; the shell's. Threads: one loop writes, any reads.
#pragma once

#include "flotilla/base/counter.hpp"

namespace flotilla::events {

struct KafkaOutboxCounters {
  Counter sent;       // handed to the producer, again included
  Counter confirmed;  // by Kafka
  Counter resent;     // of those sent, the ones that had been sent before
  Counter skipped;    // came from Kafka
  Counter refused;    // never will be taken, and became dead letters
  Counter lost;       // answered that it is not taken now
  Counter sessions;   // producers made
  Counter sessions_lost;
  Counter saves;
  Counter saves_failed;
};

struct KafkaInboxCounters {
  Counter received;
  Counter echoes;   // of events that the group has
  Counter late;     // of partitions that are not ours any more
  Counter dropped;  // given up unread at a rebalance; they come again
  Counter appends;
  Counter appends_failed;
  Counter kept;  // settled after an append
  Counter commits;
  Counter commits_failed;
  Counter rebalances;
};

}  // namespace flotilla::events
