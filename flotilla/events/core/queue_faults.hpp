// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::events {

enum class QueueFault : std::uint8_t {
  none,
  accept_before_durable,  // "pending" is said when the append was asked for
  send_before_durable,    // an attempt is sent before the record that it was begun
  key_overtakes,          // the next call of a key does not wait for the one before
  next_before_durable,    // ... only until it is settled in memory
  resend_unsafe,          // what may have been done is sent again although nobody may
  trust_sending,          // after a restart an attempt that was under way counts as not made
  drop_when_lost,         // an answer that did not arrive counts as success
  retry_refused,          // a refusal is sent again
  ignore_gate,            // the breaker stops nothing
  ignore_pace,            // it drains as fast as it can
  no_bound,               // it takes whatever is offered
  forget_failed_append,   // a failed append is taken for a success
  never_expires,          // what is too old is sent
  spend_held_attempts,    // what a breaker held back counts as an attempt
  ignore_backoff,         // it is sent again at once
  lose_last_attempt,      // the last attempt fails, and the call is gone without a dead letter
};
inline constexpr std::size_t kQueueFaults = static_cast<std::size_t>(QueueFault::lose_last_attempt) + 1;

}  // namespace flotilla::events
