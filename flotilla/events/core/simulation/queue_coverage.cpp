#include "flotilla/events/core/simulation/queue_coverage.hpp"

namespace flotilla::events::simulation {

std::string_view to_string(QueuePassage passage) noexcept {
  constexpr std::array<std::string_view, kQueuePassages> names{
      "accepted",       "duplicate",         "key-reused",
      "full",           "offer-failed-kept", "offer-failed-unkept",
      "done",           "refused",           "exhausted",
      "expired",        "interrupted",       "lost-for-good",
      "held-back",      "not-sent",          "answer-lost",
      "key-in-use",     "requeued",          "removed",
      "person-refused", "gate-closed",       "probed",
      "waited-for-key", "reloaded-written",  "reloaded-unwritten",
      "crashed-before", "crashed-after",     "late-request",
      "deduplicated"};
  return names[static_cast<std::size_t>(passage)];
}

std::vector<std::string> QueueCoverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kQueuePassages; ++i) {
    if (passages[i] == 0) {
      names.emplace_back(to_string(static_cast<QueuePassage>(i)));
    }
  }
  return names;
}

}  // namespace flotilla::events::simulation
