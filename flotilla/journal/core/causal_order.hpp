// In which order events of several shards are seen: by the time at which they were recorded, but never an
// event before the one that caused it.
//
// For: whoever reads topics over several shards at once (views, pictures of transactions). The times are
// those of the processes that took the events, whose clocks differ a little; what a service publishes because
// of an event may so be recorded before it. Ownership: values. Threads: pure. Limits: chains of causes that
// go to and fro between shards are followed kRounds times.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace flotilla::journal {

struct Moment {
  std::uint32_t shard = 0;
  std::int64_t ms = 0;  // when it was recorded; then, when it is taken to have happened
  std::string_view id;
  std::string_view cause;  // the id of the event that caused it; empty: none
};

inline constexpr int kRounds = 8;

// `moments`: those of a shard one behind the other, in their order, which they keep: within a shard time does
// not go back. Afterwards their times are later than those of their causes in other shards.
void settle_order(std::vector<Moment>& moments);

}  // namespace flotilla::journal
