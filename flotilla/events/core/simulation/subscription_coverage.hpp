// What a set of simulated runs of subscriptions has reached. A counter that stays zero means that a run
// proves less than it says.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/subscription_counters.hpp"

namespace flotilla::events::simulation {

enum class Passage : std::uint8_t {
  acknowledged,
  acknowledged_later,    // after a 202
  acknowledged_early,    // before its 202 arrived
  acknowledgement_late,  // of a delivery that was given up or sent again
  acknowledgement_missed,
  retried,
  refused,
  exhausted,
  parked,
  broken,
  filtered,
  expired,
  key_held,
  key_released,
  paused_gone,
  paused_by_person,
  resumed,
  replayed,
  replayed_range,
  held_back,
  at_bound,
  success_published,
  failure_published,
  append_failed_written,  // the answer was an error, and it was written
  append_failed_unwritten,
  stopped,         // an owner learned that there is another
  crashed_before,  // what was being appended is lost
  crashed_after,   // it is durable, and nobody was told
  late_request,    // of an owner before
  request_twice,
  redriven,         // a dead letter was sent again, and delivered
  returned,         // ... refused, or exhausted
  returned_behind,  // ... not sent, because one before it of its key came back
  redrive_expired,
  redrive_filtered,  // as it was edited
  redrive_broken,
};
inline constexpr std::size_t kPassages = static_cast<std::size_t>(Passage::redrive_broken) + 1;
[[nodiscard]] std::string_view to_string(Passage passage) noexcept;

struct Coverage {
  std::array<std::uint64_t, kPassages> passages{};
  SubscriptionCounters counters;  // of all engines
  std::uint64_t events = 0;       // of the world
  std::uint64_t published = 0;
  std::uint64_t crashes = 0;

  void count(Passage passage) noexcept { ++passages[static_cast<std::size_t>(passage)]; }
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

}  // namespace flotilla::events::simulation
