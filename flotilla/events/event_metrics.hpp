// What topics count.
//
// Ownership: owned by whoever runs topics; counters live as long as it. Threads: one loop writes, any reads.
// Limits: one set for each topic that was ever asked for and exists.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "flotilla/base/counter.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

struct TopicCounters {
  Counter published;   // events made durable
  Counter duplicates;  // events that were there already
  Counter refused;     // publications, for what they are
  Counter failed;      // publications, for the store's trouble
  Counter read;        // events given to readers
};

class EventMetrics {
 public:
  // Valid as long as this; the same for the same topic.
  [[nodiscard]] TopicCounters& of(std::string_view topic);
  void collect(telemetry::MetricsPage& page) const;

  Counter waiting;          // a gauge: long polls and streams that are open
  Counter waiting_refused;  // for there were too many

 private:
  mutable std::mutex mutex_;
  std::map<std::string, TopicCounters, std::less<>> topics_;  // guarded by mutex_
};

}  // namespace flotilla::events
