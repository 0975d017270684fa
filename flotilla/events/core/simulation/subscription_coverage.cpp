#include "flotilla/events/core/simulation/subscription_coverage.hpp"

namespace flotilla::events::simulation {

std::string_view to_string(Passage passage) noexcept {
  constexpr std::array<std::string_view, kPassages> names{"acknowledged",
                                                          "acknowledged-later",
                                                          "acknowledged-early",
                                                          "acknowledgement-late",
                                                          "acknowledgement-missed",
                                                          "retried",
                                                          "refused",
                                                          "exhausted",
                                                          "parked",
                                                          "broken",
                                                          "filtered",
                                                          "expired",
                                                          "key-held",
                                                          "key-released",
                                                          "paused-gone",
                                                          "paused-by-person",
                                                          "resumed",
                                                          "replayed",
                                                          "replayed_range",
                                                          "held-back",
                                                          "at-bound",
                                                          "success-published",
                                                          "failure-published",
                                                          "append-failed-written",
                                                          "append-failed-unwritten",
                                                          "stopped",
                                                          "crashed-before",
                                                          "crashed-after",
                                                          "late-request",
                                                          "request-twice",
                                                          "redriven",
                                                          "returned",
                                                          "returned-behind",
                                                          "redrive-expired",
                                                          "redrive-filtered",
                                                          "redrive-broken"};
  return names[static_cast<std::size_t>(passage)];
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kPassages; ++i) {
    if (passages[i] == 0) {
      names.emplace_back(to_string(static_cast<Passage>(i)));
    }
  }
  for (std::size_t i = 0; i < kDeliveryRows; ++i) {
    if (counters.answers[i].read() == 0) {
      names.push_back("answer " + std::string(to_string(static_cast<DeliveryRow>(i))));
    }
  }
  return names;
}

}  // namespace flotilla::events::simulation
