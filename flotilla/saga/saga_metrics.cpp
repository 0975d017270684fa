#include "flotilla/saga/saga_metrics.hpp"

namespace flotilla::saga {
namespace {

using telemetry::Family;

constexpr Family kStarted{"flotilla_saga_started_total", "Sagas that were accepted."};
constexpr Family kEnded{"flotilla_saga_ended_total", "Sagas that ended, by the state they ended in."};
constexpr Family kLive{"flotilla_saga_live", "Sagas that have not ended, in memory."};
constexpr Family kSuspended{"flotilla_saga_suspended", "Sagas that wait for a person."};
constexpr Family kSent{"flotilla_saga_attempts_total", "Attempts of steps, undos and status queries."};
constexpr Family kHeldBack{"flotilla_saga_held_back_total",
                           "Attempts that a breaker, bulkhead or rate limit refused: not spent."};
constexpr Family kAlerts{"flotilla_saga_alerts_total", "What a person should look at, by kind."};
constexpr Family kDuration{"flotilla_saga_duration_seconds", "From acceptance to the end."};
constexpr std::array<std::string_view, 4> kEnds{"completed", "compensated", "failed", "rejected"};

}  // namespace

std::string_view to_string(effect::Alert::Kind kind) noexcept {
  constexpr std::array<std::string_view, kAlertKinds> names{"suspended",    "slow",           "unauthorized",
                                                            "deadline",     "publish-failed", "result-failed",
                                                            "long-history", "failed"};
  return names[static_cast<std::size_t>(kind)];
}

SagaCounters& SagaMetrics::of(std::string_view name, std::uint32_t shard) {
  const std::lock_guard lock(mutex_);
  return counters_[{std::string(name), shard}];
}

void SagaMetrics::collect(telemetry::MetricsPage& page) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, counters] : counters_) {
    const std::string& saga = key.first;
    page.counter(kStarted, {{"saga", saga}}, counters.started.read());
    for (std::size_t i = 0; i < kEnds.size(); ++i) {
      page.counter(kEnded, {{"saga", saga}, {"state", kEnds[i]}}, counters.ended[i].read());
    }
    page.gauge(kLive, {{"saga", saga}}, static_cast<double>(counters.live.read()));
    page.gauge(kSuspended, {{"saga", saga}}, static_cast<double>(counters.suspended.read()));
    for (std::size_t op = 0; op < kOps; ++op) {
      page.counter(kSent, {{"saga", saga}, {"op", to_string(static_cast<Op>(op))}}, counters.sent[op].read());
    }
    page.counter(kHeldBack, {{"saga", saga}}, counters.held_back.read());
    for (std::size_t kind = 0; kind < kAlertKinds; ++kind) {
      page.counter(kAlerts, {{"saga", saga}, {"kind", to_string(static_cast<effect::Alert::Kind>(kind))}},
                   counters.alerts[kind].read());
    }
    page.histogram(kDuration, {{"saga", saga}}, counters.duration);
  }
}

}  // namespace flotilla::saga
