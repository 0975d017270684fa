// What sagas count, by the name of their definition and the shard that has them.
//
// Ownership: owned by the runner; counters live as long as it. Threads: each counter has one writer, its
// shard's loop; any reader. Limits: one set for each name that was ever run.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "flotilla/base/counter.hpp"
#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kAlertKinds = static_cast<std::size_t>(effect::Alert::Kind::failed) + 1;
[[nodiscard]] std::string_view to_string(effect::Alert::Kind kind) noexcept;

struct SagaCounters {
  Counter started;
  std::array<Counter, 4> ended;  // completed, compensated, failed, rejected
  Counter live;                  // a gauge: in memory
  Counter suspended;             // a gauge: of them
  std::array<Counter, kOps> sent;
  Counter held_back;  // of them, those that a policy of the service refused
  std::array<Counter, kAlertKinds> alerts;
  Histogram duration;  // acceptance to end
};

class SagaMetrics {
 public:
  // Valid as long as this; the same for the same name and shard.
  [[nodiscard]] SagaCounters& of(std::string_view name, std::uint32_t shard);
  void collect(telemetry::MetricsPage& page) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::uint32_t>, SagaCounters> counters_;  // guarded by mutex_
};

}  // namespace flotilla::saga
