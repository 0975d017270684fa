// What a set of simulated runs of queues has reached. A counter that stays zero means that a run proves less
// than it says.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flotilla::events::simulation {

enum class QueuePassage : std::uint8_t {
  accepted,
  duplicate,
  key_reused,
  full,
  offer_failed_kept,    // the answer was an error, and it is there
  offer_failed_unkept,  // ... and it is not
  done,
  refused,
  exhausted,
  expired,
  interrupted,    // a dead letter, because a crash left it unknown
  lost_for_good,  // a dead letter, because an answer left it unknown
  held_back,
  not_sent,
  answer_lost,
  key_in_use,  // 409 after an attempt that was lost
  requeued,
  removed,
  person_refused,  // what a person asked could not be done
  gate_closed,     // while calls waited
  probed,
  waited_for_key,    // a call was sent that had waited for another of its key
  reloaded_written,  // an append failed, and it was written
  reloaded_unwritten,
  crashed_before,  // what was being appended is lost
  crashed_after,   // it is durable, and nobody was told
  late_request,    // of an owner before, or of an attempt that was given up
  deduplicated,    // the service had done it before
};
inline constexpr std::size_t kQueuePassages = static_cast<std::size_t>(QueuePassage::deduplicated) + 1;
[[nodiscard]] std::string_view to_string(QueuePassage passage) noexcept;

struct QueueCoverage {
  std::array<std::uint64_t, kQueuePassages> passages{};
  std::uint64_t events = 0;  // of the world
  std::uint64_t crashes = 0;

  void count(QueuePassage passage) noexcept { ++passages[static_cast<std::size_t>(passage)]; }
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

}  // namespace flotilla::events::simulation
