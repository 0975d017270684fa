#include "flotilla/events/core/simulation/kafka_coverage.hpp"

namespace flotilla::events::simulation {

std::string_view to_string(KafkaPassage passage) noexcept {
  constexpr std::array<std::string_view, kKafkaPassages> names{"crash",
                                                               "crash-written",
                                                               "crash-unwritten",
                                                               "session-lost",
                                                               "late-message",
                                                               "late-answer",
                                                               "topic-missing",
                                                               "refused",
                                                               "bury-failed",
                                                               "save-failed-written",
                                                               "save-failed-unwritten",
                                                               "open-failed",
                                                               "append-failed-written",
                                                               "append-failed-unwritten",
                                                               "rebalance",
                                                               "released-appending",
                                                               "member-lost",
                                                               "commit-rejected",
                                                               "commit-unanswered",
                                                               "redelivered",
                                                               "echo",
                                                               "held-back",
                                                               "same-group",
                                                               "other-group",
                                                               "drained",
                                                               "sent-twice"};
  return names[static_cast<std::size_t>(passage)];
}

std::vector<std::string> KafkaCoverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kKafkaPassages; ++i) {
    if (passages[i] == 0) {
      names.emplace_back(to_string(static_cast<KafkaPassage>(i)));
    }
  }
  return names;
}

}  // namespace flotilla::events::simulation
