#include "flotilla/cqrs/command_metrics.hpp"

namespace flotilla::cqrs {
namespace {

using telemetry::Family;

constexpr Family kAccepted{"flotilla_commands_accepted_total", "Commands that were executed."};
constexpr Family kEvents{"flotilla_commands_events_total", "Events that they have decided."};
constexpr Family kRefused{
    "flotilla_commands_refused_total",
    "Commands that were not executed, by reason; `refused` is what `decide` or a check said."};
constexpr Family kReplayed{"flotilla_commands_replayed_total",
                           "Repeated requests that were given the answer their key had."};
constexpr Family kConflicts{"flotilla_commands_conflicts_total",
                            "Commits that came too late, and were decided again or refused."};
constexpr Family kLoaded{"flotilla_commands_events_loaded_total", "Events folded to know the state."};
constexpr Family kSnapshotsRead{"flotilla_commands_snapshots_read_total",
                                "States that began with a snapshot."};
constexpr Family kSnapshotsKept{"flotilla_commands_snapshots_kept_total", "Snapshots that were kept."};
constexpr Family kChecks{"flotilla_commands_checks_total", "Calls to services before deciding."};
constexpr Family kWaited{"flotilla_commands_waited_total",
                         "Commands that waited for their turn at an aggregate."};
constexpr Family kDuration{"flotilla_commands_duration_seconds", "From the request to its answer."};

}  // namespace

CommandCounters& CommandMetrics::of(std::string_view command, std::size_t worker) {
  const std::lock_guard lock(mutex_);
  CommandCounters*& known = known_[{std::string(command), worker}];
  if (known == nullptr) {
    known = &counters_.emplace_back();
  }
  return *known;
}

void CommandMetrics::collect(telemetry::MetricsPage& page) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, c] : known_) {
    const std::string& command = key.first;
    page.counter(kAccepted, {{"command", command}}, c->accepted.read());
    page.counter(kEvents, {{"command", command}}, c->events.read());
    page.counter(kReplayed, {{"command", command}}, c->replayed.read());
    page.counter(kConflicts, {{"command", command}}, c->conflicts.read());
    page.counter(kLoaded, {{"command", command}}, c->loaded.read());
    page.counter(kSnapshotsRead, {{"command", command}}, c->snapshots_read.read());
    page.counter(kSnapshotsKept, {{"command", command}}, c->snapshots_kept.read());
    page.counter(kChecks, {{"command", command}}, c->checks.read());
    page.counter(kWaited, {{"command", command}}, c->waited.read());
    page.histogram(kDuration, {{"command", command}}, c->duration);
    for (std::size_t i = 0; i < kReasonCount; ++i) {
      const std::uint64_t count = c->refusals[i].read();
      if (count > 0) {
        page.counter(kRefused, {{"command", command}, {"reason", to_string(static_cast<Reason>(i))}}, count);
      }
    }
  }
}

}  // namespace flotilla::cqrs
