#include "flotilla/app/journal_metrics.hpp"

namespace flotilla::app {
namespace {

using telemetry::Family;

constexpr Family kCommits{"flotilla_journal_commits_total", "Transactions made durable, one sync each."};
constexpr Family kBatches{"flotilla_journal_batches_total", "Batches, by what became of them."};
constexpr Family kRecords{"flotilla_journal_records_total", "Records made durable."};
constexpr Family kCommitTime{"flotilla_journal_commit_seconds", "Writing and syncing one transaction."};
constexpr Family kLog{"flotilla_journal_log_bytes", "The write-ahead log since it was last emptied."};
constexpr Family kCheckpoints{"flotilla_journal_checkpoints_total", "Checkpoints of the log."};
constexpr Family kStalls{"flotilla_journal_checkpoint_stalls_total",
                         "Checkpoints for which the writer had to wait."};
constexpr Family kCheckpointTime{"flotilla_journal_checkpoint_seconds", "One checkpoint."};
constexpr Family kQueue{"flotilla_journal_queue_batches", "Batches that wait for the writer."};
constexpr Family kQueueBytes{"flotilla_journal_queue_bytes", "Their size."};
constexpr Family kReads{"flotilla_journal_reads_total", "Reads."};
constexpr Family kReadsRefused{"flotilla_journal_reads_refused_total", "Reads refused: too many waited."};
constexpr Family kHealth{"flotilla_journal_health",
                         "0 healthy, 1 cannot commit now, 2 failed until a restart."};

}  // namespace

void collect(const journal::Journal& journal, telemetry::MetricsPage& page) {
  const journal::Metrics& m = journal.metrics();
  page.counter(kCommits, {}, m.commits.read());
  page.counter(kBatches, {{"result", "committed"}}, m.batches.read());
  page.counter(kBatches, {{"result", "refused"}}, m.refused.read());
  page.counter(kBatches, {{"result", "failed"}}, m.failed.read());
  page.counter(kBatches, {{"result", "overloaded"}}, m.overloaded.read());
  page.counter(kBatches, {{"result", "unavailable"}}, m.unavailable.read());
  page.counter(kRecords, {}, m.records.read());
  page.histogram(kCommitTime, {}, m.commit_time);
  page.gauge(kLog, {}, static_cast<double>(m.wal_bytes.read()));
  page.counter(kCheckpoints, {}, m.checkpoints.read());
  page.counter(kStalls, {}, m.checkpoint_stalls.read());
  page.histogram(kCheckpointTime, {}, m.checkpoint_time);
  page.gauge(kQueue, {}, static_cast<double>(m.queue_batches.read()));
  page.gauge(kQueueBytes, {}, static_cast<double>(m.queue_bytes.read()));
  page.counter(kReads, {}, m.reads.read());
  page.counter(kReadsRefused, {}, m.reads_refused.read());
  page.gauge(kHealth, {}, static_cast<double>(journal.health().state));
}

}  // namespace flotilla::app
