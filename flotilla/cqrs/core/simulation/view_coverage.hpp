// What a set of simulated runs of views has reached. A counter that stays zero means that a run proves less
// than it says.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/core/view_counters.hpp"

namespace flotilla::cqrs::simulation {

enum class Passage : std::uint8_t {
  row_added,
  row_changed,
  row_removed,
  row_back,  // that had been removed
  event_ignored,
  event_again,     // a page had events that were folded
  late_page,       // of a fetch that was answered before
  load_cut,        // a load gave fewer rows than it was asked for
  round_cut,       // a save left events of its page for the next
  stopped_live,    // at an event that it cannot fold
  stopped_built,   // a version that is being built
  crashed_before,  // what was being saved is lost
  crashed_after,   // it is durable, and nobody was told
  failed_written,  // the answer was an error, and it was written
  failed_unwritten,
  record_failed,
  first_built,
  changed_built,  // because the file says another fold
  asked_built,    // because somebody asked
  refused_rebuild,
  abandoned,   // a version that was being built is not wanted any more
  taken_back,  // the file says again what is read
  flipped,
  flip_waited,       // for a save of the version that goes
  events_meanwhile,  // were folded into the old version while the new one was built
  forgot_rows,
  forgot_on,  // deleting goes on after a crash
  checkpoint_lost,
  several_shards,
};
inline constexpr std::size_t kPassages = static_cast<std::size_t>(Passage::several_shards) + 1;
[[nodiscard]] std::string_view to_string(Passage passage) noexcept;

struct Coverage {
  std::array<std::uint64_t, kPassages> passages{};
  ViewCounters counters;     // of all engines
  std::uint64_t events = 0;  // of the world
  std::uint64_t published = 0;
  std::uint64_t crashes = 0;

  void count(Passage passage) noexcept { ++passages[static_cast<std::size_t>(passage)]; }
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

}  // namespace flotilla::cqrs::simulation
