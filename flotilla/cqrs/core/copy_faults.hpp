// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::cqrs {

enum class CopyFault : std::uint8_t {
  none,
  trust_redis,          // what Redis has after a loss is taken for what it had before
  forget_unanswered,    // what was not answered when the connection broke is taken for written
  settle_too_early,     // a key that changed while it was read or written is taken for copied
  keep_old_version,     // what was read of a version before is written after another one took its place
  keep_removed,         // a key that has nothing any more keeps its copy
  mark_too_early,       // Redis is told that all is copied while keys wait
  ignore_refusal,       // a refused batch is taken for written
  leave_strangers,      // copying all anew does not look for copies of keys that are gone
  forget_overflow,      // what does not fit the set of keys that wait is forgotten
  start_trusting,       // a new process takes Redis for complete, whatever it says
  flip_copies_nothing,  // another version leaves the copies as they are
};
inline constexpr std::size_t kCopyFaults = static_cast<std::size_t>(CopyFault::flip_copies_nothing) + 1;

}  // namespace flotilla::cqrs
