// The writer's thread of the embedded journal: groups, commits, answers; fails and heals.
#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <sqlite3.h>

#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/sqlite_schema.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal {
namespace {

// One transaction holds at most this, so that no answer waits for a very long commit.
constexpr std::size_t kGroupBatches = 4096;
constexpr std::size_t kGroupBytes = std::size_t{8} << 20;

}  // namespace

void SqliteJournal::write() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return started_; });
  log_room_.make(log_bytes_);
  const auto ready = [&] { return !queue_.empty() || !jobs_.empty() || stopping_; };
  while (true) {
    if (!failing_) {
      wake_.wait(lock, ready);
    } else if (!wake_.wait_for(lock, options_.probe_every, ready)) {
      lock.unlock();
      probe();
      lock.lock();
      continue;
    }
    if (!queue_.empty()) {
      take_retention_changes();
      std::vector<Request> group = take_group();
      lock.unlock();
      commit_group(group);
      group.clear();
      log_room_.make(log_bytes_);
      lock.lock();
    }
    if (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      run_job(job);
      lock.lock();
    } else if (queue_.empty() && stopping_) {
      return;
    }
  }
}

void SqliteJournal::take_retention_changes() {
  for (const auto& [of, retain_ms] : retention_changes_) {
    writer_->set_retention(of.first, of.second, retain_ms);
  }
  retention_changes_.clear();
}

std::vector<SqliteJournal::Request> SqliteJournal::take_group() {
  std::vector<Request> group;
  std::size_t bytes = 0;
  while (!queue_.empty() && group.size() < kGroupBatches && bytes < kGroupBytes) {
    bytes += queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queue_bytes_ -= bytes;
  metrics_.queue_batches.sub(group.size());
  metrics_.queue_bytes.sub(bytes);
  return group;
}

void SqliteJournal::commit_group(std::vector<Request>& group) {
  if (failed()) {
    answer_all(group, {health().reason});
    return;
  }
  std::vector<AppendResult> results;
  results.reserve(group.size());
  std::size_t committed = 0;
  writer_->begin(now());
  for (Request& request : group) {
    if (!writer_->ok()) {
      break;
    }
    results.push_back(writer_->apply(request.batch));
    committed += results.back().has_value() ? 1U : 0U;
  }
  const bool committing = writer_->ok();
  const Instant begin = net::monotonic_now();
  if (!committing || !writer_->commit()) {
    answer_all(group, fail_transaction(committing));
    return;
  }
  if (committed > 0) {
    metrics_.commit_time.record(net::monotonic_now() - begin);
  }
  const std::vector<RecordPtr> records = writer_->take_records();
  tail_.publish(records);
  note_committed(committed, records.size());
  metrics_.refused.add(group.size() - committed);
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i].done(std::move(results[i]));
  }
}

void SqliteJournal::note_committed(std::size_t batches, std::size_t records) {
  if (writer_->is_usurped()) {
    set_health({Health::State::failed, "another process has opened this store: its epoch is newer"});
  } else if (std::exchange(failing_, false)) {
    set_health({});
  }
  if (batches > 0) {
    metrics_.commits.add();
    metrics_.batches.add(batches);
    metrics_.records.add(records);
    const auto octave = static_cast<std::size_t>(std::bit_width(batches)) - 1;
    metrics_.commit_batches[std::min(octave, metrics_.commit_batches.size() - 1)].add();
  }
}

void SqliteJournal::answer_all(std::vector<Request>& group, const StoreUnavailable& error) {
  metrics_.failed.add(group.size());
  for (Request& request : group) {
    request.done(std::unexpected<AppendError>(error));
  }
}

StoreUnavailable SqliteJournal::fail_transaction(bool committing) {
  const sqlite::SqlError error = db_->take_error();
  bool passing = sqlite::is_passing(error.code);
  if (passing) {
    writer_->roll_back();
    passing = db_->ok();
  }
  if (passing) {
    failing_ = true;
    set_health({Health::State::failing, fmt::format("the journal cannot commit: {}", error.message)});
    return {health().reason};
  }
  // The transaction is left as it is: its end would be one more write to a file that cannot be trusted.
  failing_ = false;
  set_health({Health::State::failed,
              fmt::format("the journal has failed and must be opened anew: {}", error.message)});
  return {health().reason, committing ? Effect::unknown : Effect::none};
}

void SqliteJournal::run_job(Job& job) {
  if (failed()) {
    job.done(fail(Errc::unavailable, health().reason));
    return;
  }
  if (!job.in_transaction) {
    job.done(job.work(*writer_));
    return;
  }
  writer_->begin(now());
  const std::int64_t count = writer_->ok() ? job.work(*writer_) : 0;
  const bool committing = writer_->ok();
  if (!committing || !writer_->commit()) {
    job.done(fail(Errc::unavailable, fail_transaction(committing).reason));
    return;
  }
  job.done(count);
}

// A commit that changes nothing but proves that commits work.
void SqliteJournal::probe() {
  writer_->begin(now());
  db_->execute("UPDATE store SET epoch = epoch");
  const bool committing = writer_->ok();
  if (!committing || !writer_->commit()) {
    (void)fail_transaction(committing);
  } else {
    note_committed(0, 0);
  }
}

// Between two commits. The log's file keeps its size and is written over from its beginning: then a sync has
// no new size to make durable too. Readers that hold an old snapshot keep the log from being emptied: they
// are given a moment, no more, because commits wait.
std::int64_t SqliteJournal::empty_log() {
  sqlite3_busy_timeout(db_->handle(), 50);
  const int code =
      sqlite3_wal_checkpoint_v2(db_->handle(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  sqlite3_busy_timeout(db_->handle(), kBusyMillis);
  if (code == SQLITE_OK) {
    log_grew(0);
  } else if (!sqlite::is_passing(code)) {
    db_->note(code, "checkpoint");
    (void)fail_transaction(false);
  }
  return 0;
}

// The same, and the log's file is cut: what pages were before is in no file any more.
std::int64_t SqliteJournal::cut_log() {
  sqlite3_busy_timeout(db_->handle(), 50);
  const int code =
      sqlite3_wal_checkpoint_v2(db_->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(db_->handle(), kBusyMillis);
  if (code == SQLITE_OK) {
    log_grew(0);
    log_room_ = LogRoom(db_->handle(), options_.wal_bound);
    return 1;
  }
  if (!sqlite::is_passing(code)) {
    db_->note(code, "checkpoint");
    (void)fail_transaction(false);
  }
  return 0;
}

void SqliteJournal::log_grew(std::uint64_t bytes) {
  metrics_.wal_bytes.add(bytes -
                         std::exchange(log_bytes_, bytes));  // a gauge: the difference may be negative
  checkpointer_->wal_grew(bytes);
}

}  // namespace flotilla::journal
