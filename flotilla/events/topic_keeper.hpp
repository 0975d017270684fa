// Keeps topics within what the file says of their events, beside their age: now and then a bounded piece.
//
// For: app/event_host.hpp. Ownership: the journal outlives it. Threads: one loop's. Limits: those of
// topic_compactor.hpp and topic_trimmer.hpp.
#pragma once

#include <vector>

#include "flotilla/events/topic_compactor.hpp"
#include "flotilla/events/topic_trimmer.hpp"

namespace flotilla::events {

class TopicKeeper {
 public:
  explicit TopicKeeper(journal::Journal& journal) noexcept : compactor_(journal), trimmer_(journal) {}

  // Those of the file, from now on.
  void set_topics(const std::vector<TopicPtr>& topics) {
    compactor_.set_topics(topics);
    trimmer_.set_topics(topics);
  }
  // Errors: those of the journal; what was begun is given up, and tried anew.
  [[nodiscard]] net::Task<Result<>> tend(WallTime now) {
    auto compacted = co_await compactor_.tend(now);
    auto trimmed = co_await trimmer_.tend();
    co_return compacted ? std::move(trimmed) : std::move(compacted);
  }
  void collect(telemetry::MetricsPage& page) const {
    compactor_.collect(page);
    trimmer_.collect(page);
  }

 private:
  TopicCompactor compactor_;
  TopicTrimmer trimmer_;
};

}  // namespace flotilla::events
