// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::events {

enum class KafkaOutboxFault : std::uint8_t {
  none,
  mark_at_sent,          // the mark passes what is sent and not confirmed
  mark_at_read,          // the mark passes what is read
  mark_over_gap,         // the mark goes to the newest that is confirmed
  send_foreign,          // what came from Kafka is sent back
  skip_lost,             // what is not taken now is left out
  rewind_one,            // after a lost producer only the first is sent again
  overtake,              // a topic that has lost a message goes on with the next ones
  bury_unsaved,          // the mark passes what is to be a dead letter and is none yet
  save_failed_is_saved,  // a failed save is taken for a success
};
inline constexpr std::size_t kKafkaOutboxFaults =
    static_cast<std::size_t>(KafkaOutboxFault::save_failed_is_saved) + 1;

enum class KafkaInboxFault : std::uint8_t {
  none,
  commit_received,        // an offset is committed when its message has come
  commit_appending,       // ... when its append begins
  append_failed_is_kept,  // a failed append is taken for a success
  commit_after_lost,      // what was kept under an assignment that is gone is committed under the next one
  keep_after_revoke,      // what waits is not dropped when its partitions are taken away
  release_before_commit,  // partitions are given away before what is kept is committed
  skip_echo_order,        // an echo is settled before what came before it
};
inline constexpr std::size_t kKafkaInboxFaults =
    static_cast<std::size_t>(KafkaInboxFault::skip_echo_order) + 1;

}  // namespace flotilla::events
