// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::events {

enum class OutboxFault : std::uint8_t {
  none,
  skip_by_position,   // reads on from the highest position it has seen: late committers are passed over
  skip_by_time,       // waits for a gap for some time only, then goes on from behind it
  ignore_horizon,     // publishes what an open transaction may still come before
  forget_before_ack,  // deletes rows before they are published
  forget_failed,      // deletes all rows of a page, published or not
  pass_failed,        // after a failure goes on with what comes later of the topic
  pass_refused,       // after a refusal goes on with what comes later of the key
  drop_refused,       // a refused row counts as published
  ignore_backoff,     // tries again at once
  two_at_once,        // of a topic
  split_nothing,      // what is refused with others is held with them
  hold_everything,    // holds without a bound
  hold_restored,      // waits for transactions of a database that this one was restored from
};
inline constexpr std::size_t kOutboxFaults = static_cast<std::size_t>(OutboxFault::hold_restored) + 1;

}  // namespace flotilla::events
