// What commands count, by their name and the worker that executes them.
//
// Ownership: owned by the runner; counters live as long as it. Threads: each counter has one writer, its
// worker's loop; any reader. Limits: one set for each name that was ever executed.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/base/counter.hpp"
#include "flotilla/base/reason.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::cqrs {

struct CommandCounters {
  Counter accepted;
  Counter events;                              // of them
  std::array<Counter, kReasonCount> refusals;  // by reason
  Counter replayed;                            // answered by what their key had been answered
  Counter conflicts;                           // commits that came too late
  Counter loaded;                              // events folded to know states
  Counter snapshots_read;
  Counter snapshots_kept;
  Counter checks;
  Counter waited;  // for their turn at an aggregate
  Histogram duration;
};

class CommandMetrics {
 public:
  // Valid as long as this; the same for the same command and worker.
  [[nodiscard]] CommandCounters& of(std::string_view command, std::size_t worker);
  void collect(telemetry::MetricsPage& page) const;

 private:
  mutable std::mutex mutex_;
  std::deque<CommandCounters> counters_;
  std::map<std::pair<std::string, std::size_t>, CommandCounters*> known_;  // guarded by mutex_
};

}  // namespace flotilla::cqrs
