// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::cqrs {

enum class ViewFault : std::uint8_t {
  none,
  checkpoint_ahead,        // the checkpoint passes events that were read and are not folded
  checkpoint_stays,        // rows are saved, and the checkpoint stays where it was
  fold_twice,              // an event that arrives again is folded again
  forget_what_was_folded,  // the row that the next event folds is the one before the last fold
  absent_if_not_loaded,    // what a load did not give is taken for no row
  ignore_save_failure,     // a failed save is taken for a success
  serve_before_saved,      // reads are told of what is not durable
  skip_broken,             // an event that cannot be folded is left out
  flip_early,              // a version is read before it has come as far
  flip_while_saving,       // the old version goes while it saves
  build_from_live,         // a new version begins where the old one is
  keep_removed,            // a row that is removed stays
  forget_live,             // rows of the version that is read are deleted
};
inline constexpr std::size_t kViewFaults = static_cast<std::size_t>(ViewFault::forget_live) + 1;

}  // namespace flotilla::cqrs
