// What must be said of one transaction, of all its events at once: the judge of the fold, which takes them
// one by one.
//
// For: tests. Instead of waits that events close, it gives each expectation, or each topic of an expectation
// of all of several, a queue of what began it, and looks through the events for each on its own. Ownership:
// values. Threads: pure functions. Limits: it knows none; worlds stay below those of instance.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/events/core/choreography.hpp"
#include "flotilla/events/core/instance.hpp"

namespace flotilla::events::simulation {

// An event, a dead letter or an alert, as the world published it.
struct Fact {
  std::uint64_t position = 0;  // among all, of whatever shard: in the order in which they are folded
  std::int64_t recorded_ms = 0;
  std::string topic;
  std::string id;
  std::string cause;
  std::string correlation;
  std::string instance;    // what `correlate` gives of it
  std::string group;       // of a dead letter
  std::string dead_topic;  // ... where its event is
  std::uint64_t dead_at = 0;
};

struct ExpectedWait {
  std::size_t expectation = 0;
  std::uint64_t position = 0;
  std::int64_t due_ms = 0;
  std::int64_t told_ms = 0;
  std::vector<std::string> missing;  // sorted
  friend auto operator<=>(const ExpectedWait&, const ExpectedWait&) = default;
};

struct Verdict {
  InstanceState state = InstanceState::open;
  std::vector<ExpectedWait> waits;    // sorted
  std::vector<std::uint64_t> events;  // their positions, in order; the rest as they are in it
  std::vector<bool> unexpected;
  std::vector<bool> late;
  std::vector<std::uint32_t> depth;
  std::vector<std::size_t> dead;  // letters of each
  std::uint64_t told = 0;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// `facts`: of one transaction, in order. `alert`: the id of the event that tells a wait.
[[nodiscard]] Verdict judge(const Choreography& choreography, const std::vector<Fact>& facts);
// Where the n-th of all lies in a journal of so many shards; and back.
[[nodiscard]] journal::Position place_of(std::uint64_t n, std::uint32_t shards);
[[nodiscard]] std::uint64_t order_of(journal::Position place, std::uint32_t shards);
// The same of what the fold says.
[[nodiscard]] Verdict verdict_of(const Instance& instance, std::uint32_t shards);
[[nodiscard]] std::string describe(const Verdict& verdict);

}  // namespace flotilla::events::simulation
