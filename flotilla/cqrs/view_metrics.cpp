// What views tell Prometheus.
#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::cqrs {
namespace {

using telemetry::Family;

constexpr Family kFolded{"flotilla_view_events_total", "Events folded into rows, those of rebuilds too."};
constexpr Family kIgnored{"flotilla_view_ignored_total",
                          "Events without a key or row: of no concern to the view."};
constexpr Family kSaves{"flotilla_view_saves_total", "Batches of rows with their checkpoint."};
constexpr Family kLoaded{"flotilla_view_rows_loaded_total", "Rows read from the store to be folded."};
constexpr Family kFlips{"flotilla_view_flips_total", "Versions that became the one that is read."};
constexpr Family kRebuilds{"flotilla_view_rebuilds_total", "Versions that somebody had built anew."};
constexpr Family kReloads{"flotilla_view_reloads_total",
                          "Times it began anew from what is kept, because a save failed."};
constexpr Family kReads{"flotilla_view_reads_total", "Reads of one key, by where the answer was."};
constexpr Family kWaits{"flotilla_view_waits_total", "Reads that waited for the view to come so far."};
constexpr Family kBehind{"flotilla_view_behind_total",
                         "Reads refused because it did not come so far in time."};
constexpr Family kRows{"flotilla_view_rows", "Rows of the version that is read."};
constexpr Family kLag{"flotilla_view_lag_seconds",
                      "Age of the first event that is not folded; 0: none is known."};
constexpr Family kLagEvents{"flotilla_view_lag_positions",
                            "Records of the journal, of whatever kind, that it has not looked behind yet."};
constexpr Family kMemory{"flotilla_view_memory_bytes", "Answers in memory."};
constexpr Family kBuilding{"flotilla_view_building", "1 while another version is being built."};
constexpr Family kFailed{"flotilla_view_failed", "1 where a version has stopped, at an event or for good."};

constexpr Family kCopies{"flotilla_view_copies_written_total", "Copies of answers that Redis took."};
constexpr Family kCopiesRemoved{"flotilla_view_copies_removed_total",
                                "Copies removed because the key has nothing any more, or too much."};
constexpr Family kCopiesTooLarge{"flotilla_view_copies_too_large_total",
                                 "Answers that are too large for a copy."};
constexpr Family kCopiesNotTaken{"flotilla_view_copies_not_taken_total",
                                 "Copies that Redis had no room for; the one before is removed."};
constexpr Family kCopyBatches{"flotilla_view_copies_batches_total", "Batches sent to Redis."};
constexpr Family kCopyClaims{"flotilla_view_copies_claims_total",
                             "Connections to Redis that became the one writer of the copies."};
constexpr Family kCopyResyncs{"flotilla_view_copies_resyncs_total",
                              "Times that all copies were looked up and all keys copied anew."};
constexpr Family kCopyOverflows{"flotilla_view_copies_overflows_total",
                                "Times that more keys waited for a copy than are remembered."};
constexpr Family kCopiesRefused{"flotilla_view_copies_refused_total",
                                "Batches that Redis refused because of a later claim."};
constexpr Family kCopiesOffered{"flotilla_view_copies_offered_total",
                                "Copies made because the key was read."};
constexpr Family kCopiesPending{"flotilla_view_copies_pending", "Keys that wait for their copy."};
constexpr Family kCopiesConnected{"flotilla_view_copies_connected", "1 while copies can be written."};
constexpr Family kCopiesComplete{"flotilla_view_copies_complete",
                                 "1 while every change that readers are told of is in Redis."};

}  // namespace

void ViewRunner::collect_copies(telemetry::MetricsPage& page, const Part& part) {
  const CopyState state = part.copies;
  if (state == CopyState::none) {
    return;
  }
  const std::string& name = part.view->name();
  const CopyCounters& c = part.copy_counters;
  page.counter(kCopies, {{"view", name}}, c.written.read());
  page.counter(kCopiesRemoved, {{"view", name}}, c.removed.read());
  page.counter(kCopiesTooLarge, {{"view", name}}, c.too_large.read());
  page.counter(kCopiesNotTaken, {{"view", name}}, c.not_taken.read());
  page.counter(kCopyBatches, {{"view", name}}, c.batches.read());
  page.counter(kCopyClaims, {{"view", name}}, c.claims.read());
  page.counter(kCopyResyncs, {{"view", name}}, c.resyncs.read());
  page.counter(kCopyOverflows, {{"view", name}}, c.overflows.read());
  page.counter(kCopiesRefused, {{"view", name}}, c.refused.read());
  page.counter(kCopiesOffered, {{"view", name}}, c.offered.read());
  page.gauge(kCopiesPending, {{"view", name}}, static_cast<double>(part.copies_pending.load()));
  page.gauge(kCopiesConnected, {{"view", name}},
             state == CopyState::copying || state == CopyState::complete ? 1 : 0);
  page.gauge(kCopiesComplete, {{"view", name}}, state == CopyState::complete ? 1 : 0);
}

void ViewRunner::collect(telemetry::MetricsPage& page) const {
  const std::int64_t now = net::wall_now().ns_since_epoch / 1'000'000;
  const journal::ReadToken end = this->end();
  for (const PartPtr& part : parts()) {
    const std::string& name = part->view->name();
    const ViewCounters& c = part->counters;
    ReadCounters& r = part->view->reads();
    page.counter(kFolded, {{"view", name}}, c.folded.read());
    page.counter(kIgnored, {{"view", name}}, c.ignored.read());
    page.counter(kSaves, {{"view", name}}, c.saves.read());
    page.counter(kLoaded, {{"view", name}}, c.loaded.read());
    page.counter(kFlips, {{"view", name}}, c.flips.read());
    page.counter(kRebuilds, {{"view", name}}, c.rebuilds.read());
    page.counter(kReloads, {{"view", name}}, c.reloads.read());
    page.counter(kReads, {{"view", name}, {"from", "memory"}}, r.from_memory.load());
    page.counter(kReads, {{"view", name}, {"from", "store"}}, r.from_store.load());
    page.counter(kWaits, {{"view", name}}, r.waited.load());
    page.counter(kBehind, {{"view", name}}, r.behind.load());
    page.gauge(kRows, {{"view", name}}, static_cast<double>(part->rows.load()));
    page.gauge(kBuilding, {{"view", name}}, part->built.load() == 0 ? 0 : 1);
    page.gauge(kFailed, {{"view", name}}, part->failed ? 1 : 0);
    const ServingPtr serving = part->view->serving();
    const std::int64_t since = serving ? serving->behind_since_ms() : 0;
    const std::uint64_t position = serving ? serving->position().total() : 0;
    page.gauge(kLag, {{"view", name}}, since == 0 ? 0 : static_cast<double>(now - since) / 1000);
    page.gauge(kLagEvents, {{"view", name}},
               static_cast<double>(end.total() - std::min(end.total(), position)));
    page.gauge(kMemory, {{"view", name}}, static_cast<double>(serving ? serving->bytes() : 0));
    collect_copies(page, *part);
  }
}

}  // namespace flotilla::cqrs
