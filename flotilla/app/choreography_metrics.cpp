// What choreographies tell Prometheus.
#include "flotilla/app/choreography_host.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

using telemetry::Family;

constexpr Family kEvents{"flotilla_choreographies_events_total",
                         "Events of transactions that were folded, those of rebuilds too."};
constexpr Family kStarted{"flotilla_choreographies_started_total", "Transactions that have begun."};
constexpr Family kEnded{"flotilla_choreographies_ended_total", "Transactions that have ended, by how."};
constexpr Family kUnexpected{"flotilla_choreographies_unexpected_total", "Events that nothing expected."};
constexpr Family kLate{"flotilla_choreographies_late_total", "Events that came after they were due."};
constexpr Family kDead{"flotilla_choreographies_dead_letters_total",
                       "Dead letters of events of transactions."};
constexpr Family kDeep{"flotilla_choreographies_too_deep_total",
                       "Transactions whose events cause each other more than 64 deep."};
constexpr Family kLeftOut{"flotilla_choreographies_left_out_total",
                          "Events and expectations beyond what is kept of one transaction."};
constexpr Family kForgotten{"flotilla_choreographies_forgotten_total", "Transactions kept long enough."};
constexpr Family kTold{"flotilla_choreographies_told_total", "Events of `on_overdue` that were published."};
constexpr Family kTrouble{"flotilla_choreographies_watch_failures_total",
                          "Times that what is overdue could not be read or told, and was tried again."};
constexpr Family kInstances{"flotilla_choreographies_instances", "Transactions that are kept."};
constexpr Family kBuilding{"flotilla_choreographies_building",
                           "1 while another definition is being followed beside."};
constexpr Family kFailed{"flotilla_choreographies_failed",
                         "1 where it has stopped, for good or at its rows."};
constexpr Family kOverdue{"flotilla_choreographies_overdue",
                          "Transactions that are overdue, counted up to 1000 every few seconds."};
constexpr Family kLag{"flotilla_choreographies_lag_seconds",
                      "Age of the first event that is not folded; 0: none is known."};

}  // namespace

void ChoreographyHost::collect(telemetry::MetricsPage& page) const {
  for (const events::ChoreographyPtr& each : choreographies_) {
    const std::string& name = each->name;
    const Counters& counters = counters_.at(name);
    const events::ChoreographyCounters& c = *counters.folded;
    page.counter(kEvents, {{"choreography", name}}, c.events.read());
    page.counter(kStarted, {{"choreography", name}}, c.started.read());
    page.counter(kEnded, {{"choreography", name}, {"as", "ok"}}, c.ended_ok.read());
    page.counter(kEnded, {{"choreography", name}, {"as", "undone"}}, c.ended_undone.read());
    page.counter(kUnexpected, {{"choreography", name}}, c.unexpected.read());
    page.counter(kLate, {{"choreography", name}}, c.late.read());
    page.counter(kDead, {{"choreography", name}}, c.dead.read());
    page.counter(kDeep, {{"choreography", name}}, c.deep.read());
    page.counter(kLeftOut, {{"choreography", name}}, c.left_out.read());
    page.counter(kForgotten, {{"choreography", name}}, c.expired.read());
    page.counter(kTold, {{"choreography", name}}, counters.watch->told.load());
    page.counter(kTrouble, {{"choreography", name}}, counters.watch->failures.load());
    const std::string view = "choreography/" + name;
    const cqrs::ViewRunner::Gauges gauges = runner_.gauges_of(view);
    page.gauge(kInstances, {{"choreography", name}}, static_cast<double>(gauges.rows));
    page.gauge(kBuilding, {{"choreography", name}}, gauges.building ? 1 : 0);
    page.gauge(kFailed, {{"choreography", name}}, gauges.failed ? 1 : 0);
    page.gauge(kOverdue, {{"choreography", name}}, static_cast<double>(counters.overdue));
    const cqrs::ViewPtr found = runner_.find(view);
    const cqrs::ServingPtr serving = found ? found->serving() : nullptr;
    const std::int64_t since = serving ? serving->behind_since_ms() : 0;
    const std::int64_t now = net::wall_now().ns_since_epoch / 1'000'000;
    page.gauge(kLag, {{"choreography", name}}, since == 0 ? 0 : static_cast<double>(now - since) / 1000);
  }
}

}  // namespace flotilla::app
