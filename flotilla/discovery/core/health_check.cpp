#include "flotilla/discovery/core/health_check.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::discovery {
namespace {

constexpr Duration kFirstRamp = std::chrono::milliseconds{250};
// A burst of registrations is spread over this much.
constexpr Duration kStartJitter = std::chrono::milliseconds{50};

Duration random_below(Duration bound, Random& random) {
  return Duration{static_cast<std::int64_t>(
      random.below(static_cast<std::uint64_t>(std::max(bound.count(), Duration::rep{0}))))};
}

// Consul's rule: any 2xx passes, 429 (too many requests) warns, the rest and no answer are critical.
Status judge(const ProbeResult& result) {
  if (!result.error.empty()) {
    return Status::critical;
  }
  if (result.status == 0 || result.status / 100 == 2) {  // 0: a TCP connection that stood
    return Status::passing;
  }
  return result.status == 429 ? Status::warning : Status::critical;
}

}  // namespace

std::string_view CheckDefinition::type() const {
  constexpr std::array<std::string_view, 3> names{"ttl", "http", "tcp"};
  return names[what.index()];
}

Result<TcpProbe> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  const auto port =
      colon == std::string_view::npos ? std::nullopt : parse_int<std::uint16_t>(text.substr(colon + 1));
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  if (!port || *port == 0 || host.empty() || (!bracketed && host.contains(':'))) {
    return fail(Errc::invalid, fmt::format("'{}' is not HOST:PORT", text));
  }
  return TcpProbe{std::string(host), *port};
}

std::string keep_tail(std::string_view text, std::size_t most) {
  return std::string(text.size() <= most ? text : text.substr(text.size() - most));
}

std::string keep_head(std::string_view text, std::size_t most) {
  if (text.size() <= most) {
    return std::string(text);
  }
  return fmt::format("{}... (the first {} of {} bytes)", text.substr(0, most), most, text.size());
}

HealthCheck::HealthCheck(CheckDefinition definition, Instant now, Random& random)
    : definition_(std::move(definition)),
      ramp_(kFirstRamp),
      successes_(definition_.success_before_passing),
      failures_(definition_.failures_before_critical) {
  if (const auto* report = std::get_if<TtlReport>(&definition_.what)) {
    lapse_at_ = saturating_add(now, report->ttl);
  } else {
    probe_at_ = now + random_below(std::min(kStartJitter, definition_.interval), random);
  }
}

Instant HealthCheck::next_deadline() const {
  return std::min({running_ ? probe_deadline_ : probe_at_, lapse_at_, removal_at_});
}

StartProbe HealthCheck::start_probe(ProbeId id, Instant now) {
  FLOTILLA_ASSERT(probe_due(now));
  running_ = true;
  probe_id_ = id;
  probe_deadline_ = saturating_add(now, definition_.timeout);
  StartProbe probe{.id = id,
                   .check_id = {},
                   .what = {},
                   .deadline = probe_deadline_,
                   .output_max = definition_.output_max};
  if (const auto* http = std::get_if<HttpProbe>(&definition_.what)) {
    probe.what = *http;
  } else {
    probe.what = std::get<TcpProbe>(definition_.what);
  }
  return probe;
}

std::optional<Verdict> HealthCheck::on_probe(const ProbeResult& result, Instant now, Random& random) {
  FLOTILLA_ASSERT(running_);
  running_ = false;
  const Status status = judge(result);
  const bool failed = status == Status::critical;
  settled_ = settled_ || !failed;
  probe_at_ = saturating_add(now, delay(failed, random));
  std::optional<Status> decided;
  if (!failed) {
    failures_ = 0;
    successes_ = std::min(successes_ + 1, definition_.success_before_passing);
    if (successes_ >= definition_.success_before_passing) {
      decided = status;
    }
  } else {
    const std::uint32_t critical = definition_.failures_before_critical;
    const std::uint32_t warning = definition_.failures_before_warning;
    successes_ = 0;
    failures_ = std::min(failures_ + 1, critical);
    if (failures_ >= critical) {
      decided = Status::critical;
    } else if (warning != 0 && failures_ >= warning) {
      decided = Status::warning;
    }
  }
  if (!decided) {
    return std::nullopt;
  }
  note_status(*decided, now);
  return Verdict{*decided, describe(result)};
}

Duration HealthCheck::delay(bool failed, Random& random) {
  if (failed && !settled_ && ramp_ < definition_.interval) {
    return std::exchange(ramp_, ramp_ * 2);
  }
  return definition_.interval - random_below(definition_.interval / 16, random);
}

Verdict HealthCheck::on_report(Status status, std::string output, Instant now) {
  lapse_at_ = saturating_add(now, std::get<TtlReport>(definition_.what).ttl);
  note_status(status, now);
  return {status, keep_head(output, definition_.output_max)};
}

std::optional<Verdict> HealthCheck::lapse(std::string_view output, Instant now) {
  if (lapse_at_ > now) {
    return std::nullopt;
  }
  lapse_at_ = kNever;  // until the service reports again
  note_status(Status::critical, now);
  return Verdict{Status::critical, output.empty()
                                       ? "TTL expired"
                                       : fmt::format("TTL expired (the last report was): {}", output)};
}

void HealthCheck::note_status(Status status, Instant now) {
  if (status != Status::critical) {
    removal_at_ = kNever;
  } else if (removal_at_ == kNever && definition_.deregister_critical_after > Duration{0}) {
    removal_at_ = saturating_add(now, definition_.deregister_critical_after);
  }
}

std::string HealthCheck::describe(const ProbeResult& result) const {
  if (const auto* tcp = std::get_if<TcpProbe>(&definition_.what)) {
    const std::string_view outcome = result.error.empty() ? std::string_view{"Success"} : result.error;
    const bool v6 = tcp->host.contains(':');
    return fmt::format("TCP connect {}{}{}:{}: {}", v6 ? "[" : "", tcp->host, v6 ? "]" : "", tcp->port,
                       outcome);
  }
  const auto& http = std::get<HttpProbe>(definition_.what);
  if (!result.error.empty()) {
    return fmt::format("HTTP {} {}: {}", http.method, http.url, result.error);
  }
  return fmt::format("HTTP {} {}: {}{}{} Output: {}", http.method, http.url, result.status,
                     result.reason.empty() ? "" : " ", result.reason,
                     keep_tail(result.body, definition_.output_max));
}

}  // namespace flotilla::discovery
