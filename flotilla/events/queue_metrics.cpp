// What queues for later tell Prometheus.
#include "flotilla/events/queue_runner.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using telemetry::Family;

constexpr Family kDepth{"flotilla_pending_depth", "Calls that wait in a queue for later."};
constexpr Family kOldest{"flotilla_pending_oldest_seconds", "Age of the oldest call that waits; 0: none."};
constexpr Family kBytes{"flotilla_pending_bytes", "Of the requests that wait."};
constexpr Family kInFlight{"flotilla_pending_in_flight", "Attempts under way."};
constexpr Family kDead{"flotilla_pending_dead_letters", "Dead letters that wait for a person."};
constexpr Family kFailed{"flotilla_pending_failed",
                         "1 where the queue stopped for a row that cannot be read."};
constexpr Family kOffers{"flotilla_pending_offers_total", "Calls offered to a queue, by what became of it."};
constexpr Family kPassedBy{"flotilla_pending_passed_by_total",
                           "Calls that failed and could not be queued, by why."};
constexpr Family kAttempts{"flotilla_pending_attempts_total",
                           "Attempts to carry calls out, by what was known before them."};
constexpr Family kAnswers{"flotilla_pending_answers_total",
                          "What became of attempts, by verdict and the row of the table that says so."};
constexpr Family kSettled{"flotilla_pending_settled_total",
                          "Calls that need no further attempt, by what became of them."};
constexpr Family kDeadTotal{"flotilla_pending_dead_letters_total",
                            "Calls that became dead letters, by reason."};
constexpr Family kRequeued{"flotilla_pending_requeued_total", "Dead letters that a person sent again."};
constexpr Family kReloads{"flotilla_pending_reloads_total",
                          "Times a queue was read anew, because an append failed."};
constexpr Family kForgotten{"flotilla_pending_forgotten_total",
                            "Results that were kept long enough, and deleted."};

}  // namespace

void QueueRunner::collect(telemetry::MetricsPage& page) const {
  const std::int64_t now = net::wall_now().ns_since_epoch / 1'000'000;
  page.counter(kForgotten, {}, forgotten_);
  const std::lock_guard lock(mutex_);
  for (const auto& [name, part] : parts_) {
    const QueueCounters& c = part->counters;
    const QueueGauges& g = part->gauges;
    const std::int64_t oldest = g.oldest_ms;
    page.gauge(kDepth, {{"queue", name}}, static_cast<double>(g.open.load()));
    page.gauge(kOldest, {{"queue", name}}, oldest == 0 ? 0 : static_cast<double>(now - oldest) / 1000);
    page.gauge(kBytes, {{"queue", name}}, static_cast<double>(g.bytes.load()));
    page.gauge(kInFlight, {{"queue", name}}, static_cast<double>(g.in_flight.load()));
    page.gauge(kDead, {{"queue", name}}, static_cast<double>(g.dead.load()));
    page.gauge(kFailed, {{"queue", name}}, g.failed ? 1 : 0);
    for (std::size_t i = 0; i < kQueueOffers; ++i) {
      page.counter(kOffers, {{"queue", name}, {"result", to_string(static_cast<QueueOffer>(i))}},
                   c.offers[i].read());
    }
    for (std::size_t i = 0; i < call::kPassedBy; ++i) {
      page.counter(kPassedBy, {{"queue", name}, {"why", call::to_string(static_cast<call::PassedBy>(i))}},
                   part->passed_by[i].load(std::memory_order_relaxed));
    }
    for (std::size_t i = 0; i < c.attempts.size(); ++i) {
      page.counter(kAttempts, {{"queue", name}, {"certainty", to_string(static_cast<Certainty>(i))}},
                   c.attempts[i].read());
    }
    for (std::size_t i = 0; i < kDeliveryRows; ++i) {
      const auto row = static_cast<DeliveryRow>(i);
      page.counter(kAnswers,
                   {{"queue", name}, {"verdict", to_string(verdict_of(row))}, {"answer", to_string(row)}},
                   c.answers[i].read());
    }
    std::uint64_t dead = 0;
    for (std::size_t i = 0; i < kQueueDeadReasons; ++i) {
      dead += c.dead[i].read();
      page.counter(kDeadTotal, {{"queue", name}, {"reason", to_string(static_cast<QueueDeadReason>(i))}},
                   c.dead[i].read());
    }
    page.counter(kSettled, {{"queue", name}, {"as", "done"}}, c.done.read());
    page.counter(kSettled, {{"queue", name}, {"as", "dead-letter"}}, dead);
    page.counter(kSettled, {{"queue", name}, {"as", "removed"}}, c.removed.read());
    page.counter(kRequeued, {{"queue", name}}, c.requeued.read());
    page.counter(kReloads, {{"queue", name}}, c.reloads.read());
  }
}

}  // namespace flotilla::events
