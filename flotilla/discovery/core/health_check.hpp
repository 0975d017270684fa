// One check's state: when it is probed next, what a result makes of its status, when it lapses and
// when its service is to be removed.
//
// For: HealthChecks, which owns one per check. A pure state machine: the caller brings the time.
// Rules (consul-api section 5): a probe starts at once at registration (a small jitter spreads bursts)
// and no two overlap; until the first result that is not critical it is repeated after 250 ms, 500 ms,
// ... up to the interval, so a service that registers before it listens is seen soon; then every
// interval less up to 1/16 of jitter. Thresholds count consecutive results and stand at their end at
// first, so the first result counts. A TTL that nobody renews becomes critical. The removal clock
// starts with the first result (or lapse) that makes the check critical and is exact to the timer.
// Ownership: a value. Threads: one.
#pragma once

#include <optional>
#include <string>

#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/discovery/core/check_definition.hpp"

namespace flotilla::discovery {

struct Verdict {
  Status status;
  std::string output;
};

class HealthCheck {
 public:
  HealthCheck(CheckDefinition definition, Instant now, Random& random);

  // When something is due: a probe's start, its time-out, a lapse, the service's removal; or kNever.
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] bool probe_due(Instant now) const { return !running_ && probe_at_ <= now; }
  // Begins a probe that is due; its time-out is `now` + timeout.
  StartProbe start_probe(ProbeId id, Instant now);
  [[nodiscard]] bool running(ProbeId id) const { return running_ && probe_id_ == id; }
  [[nodiscard]] bool running() const { return running_; }

  // The running probe ended. A verdict if the status is (again) decided; none below a threshold.
  std::optional<Verdict> on_probe(const ProbeResult& result, Instant now, Random& random);
  // The running probe has had its time.
  [[nodiscard]] bool probe_overdue(Instant now) const { return running_ && probe_deadline_ <= now; }

  // The service reports (TTL only): always a verdict; rearms.
  Verdict on_report(Status status, std::string output, Instant now);
  // Critical if the TTL ran out by `now`. `output` is the last one reported.
  std::optional<Verdict> lapse(std::string_view output, Instant now);

  // Whether the service is to be removed, having been critical for long enough.
  [[nodiscard]] bool removal_due(Instant now) const { return removal_at_ <= now; }

  [[nodiscard]] const CheckDefinition& definition() const { return definition_; }

 private:
  void note_status(Status status, Instant now);
  [[nodiscard]] Duration delay(bool failed, Random& random);
  [[nodiscard]] std::string describe(const ProbeResult& result) const;

  CheckDefinition definition_;
  Instant probe_at_ = kNever;
  Instant probe_deadline_ = kNever;
  Instant lapse_at_ = kNever;
  Instant removal_at_ = kNever;
  ProbeId probe_id_ = 0;
  bool running_ = false;
  bool settled_ = false;  // a result was not critical since registration
  Duration ramp_;
  std::uint32_t successes_;
  std::uint32_t failures_;
};

// `text` cut to `most` bytes, keeping the end (probes) or the beginning (reports, with a remark).
[[nodiscard]] std::string keep_tail(std::string_view text, std::size_t most);
[[nodiscard]] std::string keep_head(std::string_view text, std::size_t most);

}  // namespace flotilla::discovery
