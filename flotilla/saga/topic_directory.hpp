// The streams of topics that sagas publish to, as far as they are known.
//
// For: shard.hpp. A topic's stream comes to be with its first event; until this process knows it, a batch
// tries to create it and learns of the one there is.
// Ownership: owned by the runner. Threads: any. Limits: as many as definitions name.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "flotilla/saga/core/saga_batch.hpp"

namespace flotilla::saga {

class TopicDirectory {
 public:
  // Those of `events` that are known in that shard of the journal.
  [[nodiscard]] TopicStreams of(const std::vector<effect::Event>& events, Place place) const {
    TopicStreams found;
    if (events.empty()) {
      return found;
    }
    const std::lock_guard lock(mutex_);
    for (const effect::Event& event : events) {
      if (const auto known = streams_.find(topic_key(event.topic, place)); known != streams_.end()) {
        found.insert(*known);
      }
    }
    return found;
  }
  void put(const std::string& key, journal::StreamId stream) {  // topic_key()
    const std::lock_guard lock(mutex_);
    streams_.insert_or_assign(key, stream);
  }

 private:
  mutable std::mutex mutex_;
  TopicStreams streams_;
};

}  // namespace flotilla::saga
