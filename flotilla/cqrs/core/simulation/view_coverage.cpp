#include "flotilla/cqrs/core/simulation/view_coverage.hpp"

namespace flotilla::cqrs::simulation {

std::string_view to_string(Passage passage) noexcept {
  constexpr std::array<std::string_view, kPassages> names{
      "row-added",     "row-changed",    "row-removed",     "row-back",       "event-ignored",
      "event-again",   "late-page",      "load-cut",        "round-cut",      "stopped-live",
      "stopped-built", "crashed-before", "crashed-after",   "failed-written", "failed-unwritten",
      "record-failed", "first-built",    "changed-built",   "asked-built",    "refused-rebuild",
      "abandoned",     "taken-back",     "flipped",         "flip-waited",    "events-meanwhile",
      "forgot-rows",   "forgot-on",      "checkpoint-lost", "several-shards"};
  return names[static_cast<std::size_t>(passage)];
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kPassages; ++i) {
    if (passages[i] == 0) {
      names.emplace_back(to_string(static_cast<Passage>(i)));
    }
  }
  return names;
}

}  // namespace flotilla::cqrs::simulation
