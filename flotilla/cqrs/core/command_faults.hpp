// Mistakes that a test plants in the machine, to see that the simulation finds each.
#pragma once

#include <cstdint>

namespace flotilla::cqrs {

enum class CommandFault : std::uint8_t {
  none,
  no_expected_version,    // appends whatever the version is
  key_not_claimed,        // the reply is not kept under its key
  own_answer_kept,        // gives what it decided itself, though the key has a reply by now
  other_body_answered,    // a key's reply is given to another body
  key_outlives_its_time,  // an expired key still answers
  foreign_snapshot,       // reads what another code has folded
  snapshot_too_early,     // keeps the state before the events under the version after them
  event_skipped,          // folds what follows a snapshot from one event too far
  stale_after_conflict,   // decides again on the state that lost
  endless_retries,        // does not count conflicts
  precondition_ignored,   // If-Match is not compared
  check_ignored,          // decides although a check said no
  topic_left_out,         // an event is not published
  answer_before_append,   // says so before it is durable
  position_of_nothing,    // a replayed reply has another position
  // Of looking at an aggregate.
  sight_skips_event,  // folds what follows a snapshot from one event too far
  sight_of_one_page,  // does not read on
  sight_too_new,      // begins with a snapshot that is newer than the version that was asked for
};
inline constexpr std::size_t kCommandFaults = static_cast<std::size_t>(CommandFault::sight_too_new) + 1;

}  // namespace flotilla::cqrs
