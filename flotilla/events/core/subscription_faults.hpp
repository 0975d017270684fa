// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstdint>

namespace flotilla::events {

enum class SubscriptionFault : std::uint8_t {
  none,
  ack_when_sent,          // an event is settled before its answer
  mark_skips_unsettled,   // the saved mark passes what is not settled
  forget_settled,         // what is settled beyond the mark is not looked at after a restart
  key_overtakes,          // the next event of a key does not wait for the one before
  next_before_durable,    // ... only until it is settled in memory
  drop_at_404,            // a missing route acknowledges
  ignore_retry_after,     // it is sent before the subscriber wants it
  spend_held_attempts,    // what a breaker held back counts as an attempt
  retry_refused,          // a refusal is sent again
  ignore_append_failure,  // a failed append is taken for a success
  send_while_paused,      // a pause stops nothing
  lose_dead_letter,       // the last attempt fails, and no dead letter is published
  publish_twice,          // on_success is published twice
  send_expired,           // what has expired is sent
  no_bound,               // it reads on whatever is unsettled
  forget_accepted,        // a 202 that nobody acknowledges is never sent again
  redrive_overtakes,      // a dead letter that is sent again does not wait for its key
  lose_redrive,           // one that fails again is left as it is
  replay_on_and_on,       // a replay of a range sends what is behind the range, too
  lose_behind_range,      // ... loses what was not settled behind it
};
inline constexpr std::size_t kSubscriptionFaults =
    static_cast<std::size_t>(SubscriptionFault::lose_behind_range) + 1;

}  // namespace flotilla::events
