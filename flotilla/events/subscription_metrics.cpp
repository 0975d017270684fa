// What subscriptions tell Prometheus.
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using telemetry::Family;

constexpr Family kAttempts{"flotilla_subscription_attempts_total",
                           "Events sent to subscribers, repeated ones too."};
constexpr Family kRepeated{"flotilla_subscription_repeated_attempts_total",
                           "Of the attempts, those after the first of an event."};
constexpr Family kAnswers{"flotilla_subscription_answers_total",
                          "What became of attempts, by verdict and the row of the table that says so."};
constexpr Family kSettled{"flotilla_subscription_settled_total",
                          "Events that need no further delivery, by what became of them."};
constexpr Family kDead{"flotilla_subscription_dead_letters_total",
                       "Events that became dead letters, by reason."};
constexpr Family kRedrives{"flotilla_subscription_redrives_total",
                           "Dead letters that were sent again, by what became of them."};
constexpr Family kAckTimeouts{"flotilla_subscription_ack_timeouts_total",
                              "Deliveries answered 202 that nobody acknowledged in time."};
constexpr Family kPauses{"flotilla_subscription_pauses_total",
                         "Times an answer paused it (410, too many held keys)."};
constexpr Family kAtBound{"flotilla_subscription_at_bound_total",
                          "Times it read no further until its first unsettled event was settled."};
constexpr Family kReloads{"flotilla_subscription_reloads_total",
                          "Times it began anew from what is saved, because an append failed."};
constexpr Family kUnsettled{"flotilla_subscription_unsettled", "Events that were read and are not settled."};
constexpr Family kInFlight{"flotilla_subscription_in_flight", "Attempts under way."};
constexpr Family kUnacked{"flotilla_subscription_unacknowledged",
                          "Deliveries answered 202 that are still open."};
constexpr Family kHeldKeys{"flotilla_subscription_held_keys", "Keys that are blocked or parked."};
constexpr Family kPaused{"flotilla_subscription_paused", "1 while it is paused."};
constexpr Family kFailed{"flotilla_subscription_failed",
                         "1 where it stopped for a record that cannot be read."};
constexpr Family kLag{"flotilla_subscription_lag_seconds",
                      "Age of the oldest event that is not settled; 0: none."};

}  // namespace

void SubscriptionRunner::collect(telemetry::MetricsPage& page) const {
  const std::int64_t now = net::wall_now().ns_since_epoch / 1'000'000;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, parts] : parts_) {
    double lag = 0;
    for (const PartPtr& part : parts) {
      const SubscriptionCounters& c = part->counters;
      const SubscriptionGauges& g = part->gauges;
      page.counter(kAttempts, {{"subscription", name}}, c.sent.read());
      page.counter(kRepeated, {{"subscription", name}}, c.redelivered.read());
      for (std::size_t i = 0; i < kDeliveryRows; ++i) {
        const auto row = static_cast<DeliveryRow>(i);
        page.counter(
            kAnswers,
            {{"subscription", name}, {"verdict", to_string(verdict_of(row))}, {"answer", to_string(row)}},
            c.answers[i].read());
      }
      std::uint64_t dead = 0;
      for (std::size_t i = 0; i < kDeadReasons; ++i) {
        dead += c.dead_letters[i].read();
        page.counter(kDead, {{"subscription", name}, {"reason", to_string(static_cast<DeadReason>(i))}},
                     c.dead_letters[i].read());
      }
      page.counter(kSettled, {{"subscription", name}, {"as", "acknowledged"}}, c.acknowledged.read());
      page.counter(kSettled, {{"subscription", name}, {"as", "dead-letter"}}, dead);
      page.counter(kSettled, {{"subscription", name}, {"as", "expired"}}, c.expired.read());
      page.counter(kSettled, {{"subscription", name}, {"as", "filtered"}}, c.filtered.read());
      page.counter(kRedrives, {{"subscription", name}, {"as", "delivered"}}, c.redriven.read());
      page.counter(kRedrives, {{"subscription", name}, {"as", "returned"}}, c.returned.read());
      page.counter(kAckTimeouts, {{"subscription", name}}, c.ack_timeouts.read());
      page.counter(kPauses, {{"subscription", name}}, c.paused.read());
      page.counter(kAtBound, {{"subscription", name}}, c.at_bound.read());
      page.counter(kReloads, {{"subscription", name}}, c.reloads.read());
      page.gauge(kUnsettled, {{"subscription", name}}, static_cast<double>(g.unsettled.load()));
      page.gauge(kInFlight, {{"subscription", name}}, static_cast<double>(g.in_flight.load()));
      page.gauge(kUnacked, {{"subscription", name}}, static_cast<double>(g.unacknowledged.load()));
      page.gauge(kHeldKeys, {{"subscription", name}}, static_cast<double>(g.held_keys.load()));
      page.gauge(kPaused, {{"subscription", name}}, g.paused ? 1 : 0);
      page.gauge(kFailed, {{"subscription", name}}, g.failed ? 1 : 0);
      const std::int64_t oldest = g.oldest_ms;
      lag = oldest == 0 ? lag : std::max(lag, static_cast<double>(now - oldest) / 1000);
    }
    page.gauge(kLag, {{"subscription", name}}, lag);
  }
}

}  // namespace flotilla::events
