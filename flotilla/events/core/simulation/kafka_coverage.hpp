// What a set of simulated runs of Kafka bridges has reached. A counter that stays zero means that a run
// proves less than it says.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/kafka_counters.hpp"

namespace flotilla::events::simulation {

enum class KafkaPassage : std::uint8_t {
  crash,
  crash_written,  // what was being written is durable, and nobody was told
  crash_unwritten,
  session_lost,
  late_message,   // of a producer that is over, after its successor began
  late_answer,    // the same of an answer
  topic_missing,  // a message is not taken now
  refused,
  bury_failed,
  save_failed_written,
  save_failed_unwritten,
  open_failed,
  append_failed_written,
  append_failed_unwritten,
  rebalance,
  released_appending,  // a release had to wait for what was being kept
  member_lost,
  commit_rejected,
  commit_unanswered,  // it was done, and answered with a failure
  redelivered,
  echo,
  held_back,  // a node took no more messages
  same_group,
  other_group,
  drained,
  sent_twice,
};
inline constexpr std::size_t kKafkaPassages = static_cast<std::size_t>(KafkaPassage::sent_twice) + 1;
[[nodiscard]] std::string_view to_string(KafkaPassage passage) noexcept;

struct KafkaCoverage {
  std::array<std::uint64_t, kKafkaPassages> passages{};
  KafkaOutboxCounters sent;     // of all engines
  KafkaInboxCounters received;  // of all engines
  std::uint64_t published = 0;
  std::uint64_t produced = 0;  // by others than the nodes

  void count(KafkaPassage passage) noexcept { ++passages[static_cast<std::size_t>(passage)]; }
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

}  // namespace flotilla::events::simulation
