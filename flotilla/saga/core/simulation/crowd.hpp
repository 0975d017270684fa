// A crowd: as many sagas as wanted on one engine, most of which cannot go on, and some that should not
// notice.
//
// For: tests of L3 (a poisoned service, sleepers and a queue for a lock starve nobody else) and of L4 (what a
// dead owner leaves is taken up at a cost that grows as its number, and new work is served meanwhile).
// world.hpp has faults and no load; here is load and one crash. What is scarce is modelled, so that a crowd
// shows: one processor that takes some microseconds for every input and effect, a journal that commits one
// group at a time, services that take so many requests at once and have the rest held back. First the crowd
// comes: a third of it uses the poisoned service, which takes requests and never answers, a third sleeps
// until it is signalled, a third wants one lock. Then others come, who need none of this, one every few
// milliseconds. Then the owner dies, the next one takes up what is left, and such others come again. At last
// the service is mended and the sleepers are woken, and everything must end. Ownership: owns all of it.
// Threads: one. Cost: some 30 events and 10 KiB a saga.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga::simulation {

struct CrowdConfig {
  std::uint64_t seed = 1;
  std::size_t crowd = 1000;
  std::size_t others = 400;  // each time
  EngineFaults faults;
};

struct CrowdOutcome {
  std::string violation;            // of what holds for every crowd; empty: none
  std::vector<Duration> beside;     // how long the others took beside the crowd, sorted
  std::vector<Duration> meanwhile;  // ... while the crowd was taken up
  std::size_t taken_up = 0;         // sagas that had not ended when the owner died
  std::uint64_t work = 0;           // records, inputs and effects of taking them up
  Duration taking{0};               // from the death until the last was taken up
  std::uint64_t inputs = 0;         // of the engine, in all
};
[[nodiscard]] CrowdOutcome live(const CrowdConfig& config);

// How much longer the others may take beside a crowd than without one, and how much more than its share of
// the work a saga of a larger crowd may make.
inline constexpr double kMostLonger = 2.0;
inline constexpr double kMostWork = 1.25;
// L3 and L4 between a small crowd, or none, and a larger one. Empty, or what is violated.
[[nodiscard]] std::string compare(const CrowdOutcome& smaller, const CrowdOutcome& larger);

}  // namespace flotilla::saga::simulation
