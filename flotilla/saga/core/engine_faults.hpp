// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstdint>

namespace flotilla::saga {

enum class EngineFault : std::uint8_t {
  none,
  send_before_durable,    // the first steps are sent while the acceptance is under way
  undo_in_wrong_order,    // undos are exposed without waiting for later steps'
  undo_beside_action,     // an undo is sent while its action's answer is open
  forget_unknown,         // a step whose effect is unknown is taken for refused
  refused_after_unknown,  // a refusal after an unknown attempt is believed
  abort_races_pivot,      // deadline and cancel abort although the pivot was sent
  retry_refused,          // a refusal is sent again
  new_bytes_on_resend,    // a resent request differs
  epoch_in_key,           // the key depends on the owner
  early_timer,            // a recorded timer fires a second early
  signal_twice,           // signals are not deduplicated
  ignore_append_failure,  // a failed append is taken for a success
  forget_locks,           // a saga goes ahead before it holds its locks
  lose_exposed_on_load,   // recovery does not resend what was exposed
  config_aborts,          // a mistake in the set-up aborts
  child_left_held,        // a parent does not release its children
  conflict_is_undone,     // a 409 to an undo sent before is taken for "undone already"
  show_before_durable,    // a reader is shown what is under way to the journal
  epoch_in_seq,           // Saga-Seq depends on the owner
  // No record shows these, only what clients are told.
  answer_before_durable,  // signals and cancellings are answered while their records are under way
  refuse_and_do,          // a cancelling is refused, and yet carried out
  forget_duplicates,      // a signal that came before is answered as if it were new
  // These show in crowds only.
  hasty_when_held_back,  // each asks again by its own clock, however many wait for that service
  recount_on_load,       // to take one up, all that are here are looked at
};
// Those that the world finds.
inline constexpr std::size_t kEngineFaults = static_cast<std::size_t>(EngineFault::forget_duplicates) + 1;

struct EngineFaults {
  EngineFault planted = EngineFault::none;
  [[nodiscard]] bool has(EngineFault fault) const noexcept {
    return planted == fault && fault != EngineFault::none;
  }
};

}  // namespace flotilla::saga
