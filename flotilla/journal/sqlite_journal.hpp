// The embedded journal: one SQLite file, one process.
//
// For: every deployment that names no shared store.
// How it keeps the promise of journal.hpp: write-ahead log, synced at each commit. One writer thread takes
//   whatever waits, commits it together and then answers all of it, so waiting fills batches and nothing is
//   delayed to fill one. A second thread checkpoints the log; readers have connections of their own.
// Failure: when the disk is full, or read-only, or locked by somebody, appends are answered with
//   StoreUnavailable, nothing is kept of them, and they work again once the cause has gone. After a failed
//   sync, an I/O error or damage the journal has failed for good: what the kernel says afterwards cannot be
//   trusted, so the file must be opened anew.
// Ownership: owns the threads, the connections and the lock file. Threads: as Journal says.
// Limits: those of Options.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flotilla/journal/checkpointer.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/lease_table.hpp"
#include "flotilla/journal/log_room.hpp"
#include "flotilla/journal/reader_pool.hpp"
#include "flotilla/journal/sqlite_reader.hpp"
#include "flotilla/journal/sqlite_writer.hpp"
#include "flotilla/journal/store_lock.hpp"
#include "flotilla/journal/tail.hpp"
#include "flotilla/journal/topic_sizes.hpp"
#include "flotilla/journal/topic_upkeep.hpp"

namespace flotilla::journal {

struct SqliteOptions {
  std::string path;  // beside it: PATH-wal, PATH-shm, PATH.lock; its directory is created
  Vocabulary vocabulary;
  std::size_t readers = 2;
  // What waits for the writer.
  std::size_t queue_batches = 16'384;
  std::size_t queue_bytes = std::size_t{64} << 20;
  std::size_t tail_records = Tail::kMaxRecords;  // the newest, in memory for readers that keep up
  // The write-ahead log: checkpointed after each step, emptied by the writer from `wal_bound` on; at
  // `wal_limit` (readers keep it from being emptied) appends are refused.
  std::uint64_t wal_step = std::uint64_t{4} << 20;
  std::uint64_t wal_bound = std::uint64_t{16} << 20;
  std::uint64_t wal_limit = std::uint64_t{1} << 30;
  // How often an idle store that is failing tries to commit.
  Millis probe_every{500};
  // Wall time for retention; the system's clock when empty.
  std::function<UtcMillis()> now;
  std::string vfs;  // SQLite's way to the files; empty: the system's
};

class SqliteJournal final : public Journal,
                            public TopicUpkeep,
                            public CompactionUpkeep,
                            public PersonalUpkeep,
                            public TopicSizes {
 public:
  // Creates the file, or opens it, brings it to the newest schema, and begins an epoch. Errors: conflict
  // (another process has it), unsupported (newer schema, or no journal), invalid (damaged), unavailable, io.
  [[nodiscard]] static Result<std::unique_ptr<SqliteJournal>> open(SqliteOptions options);
  ~SqliteJournal() override;

  void set_retention(RecordClass record_class, std::string category, Millis retain) override;
  [[nodiscard]] Health health() const override;
  [[nodiscard]] const Metrics& metrics() const noexcept override { return metrics_; }
  void forget_streams(RecordClass record_class, std::vector<StreamId> streams,
                      Done<Result<std::int64_t>> done) override;
  void forget_periods(bool hard, Done<Result<std::int64_t>> done) override;
  void forget_claims(std::size_t limit, Done<Result<std::int64_t>> done) override;
  void forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done) override;
  void forget_topic(std::string topic, Position until, Done<Result<std::int64_t>> done) override;
  void forget_records(std::string topic, std::vector<Position> positions,
                      Done<Result<std::int64_t>> done) override;
  void forget_oldest(std::string topic, Position until, Done<Result<std::int64_t>> done) override;
  void weigh(std::string topic, Position after, std::uint64_t bytes, Done<Result<TopicWeight>> done) override;
  [[nodiscard]] std::uint64_t removals(std::string_view topic) const override;
  void consumed(std::string topic, Done<Result<std::int64_t>> done) override;
  void forget_scope(std::string scope, Done<Result<std::int64_t>> done) override;
  void set_personal(std::map<std::string, PersonalFields, std::less<>> by_topic) override;
  [[nodiscard]] KeyVault& vault() noexcept override { return vault_; }
  void erase_key(std::string subject, Done<Result<std::int64_t>> done) override;
  void scrub(Done<Result<std::int64_t>> done) override;
  [[nodiscard]] bool keeps_rows() const noexcept override { return true; }
  [[nodiscard]] Ownership& ownership() noexcept override { return leases_; }

 private:
  struct Request {
    Batch batch;
    Done<AppendResult> done;
    std::size_t bytes;
  };
  using Work = std::move_only_function<std::int64_t(SqliteWriter&)>;
  struct Job {
    Work work;
    Done<Result<std::int64_t>> done;
    bool in_transaction = true;
  };

  SqliteJournal(SqliteOptions options, StoreLock lock, std::unique_ptr<sqlite::Connection> db,
                std::unique_ptr<SqliteWriter> writer);
  Result<> start();

  void do_append(Batch batch, Done<AppendResult> done) override;
  void do_read(StreamQuery query, Done<Result<Page>> done) override;
  void do_read(CategoryQuery query, Done<Result<Page>> done) override;
  void do_list(SummaryQuery query, Done<Result<std::vector<Summary>>> done) override;
  void do_count(CountQuery query, Done<Result<std::vector<StateCount>>> done) override;
  void do_summary(StreamId stream, Done<Result<std::optional<Summary>>> done) override;
  void do_find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done) override;
  void do_snapshot(StreamId stream, std::uint64_t fold, Done<Result<std::optional<Snapshot>>> done) override;
  void do_cursor(std::string name, Done<Result<std::optional<Cursor>>> done) override;
  void do_rows(RowQuery query, Done<Result<RowPage>> done) override;
  void do_rows(RowsByName query, Done<Result<RowValues>> done) override;
  [[nodiscard]] const Vocabulary& vocabulary() const noexcept override { return options_.vocabulary; }
  [[nodiscard]] std::uint64_t do_epoch(std::uint32_t) const noexcept override { return epoch_; }
  [[nodiscard]] Position do_position(std::uint32_t) const noexcept override { return tail_.end(); }
  [[nodiscard]] Tail& tail(std::uint32_t) noexcept override { return tail_; }

  template <class T, class Ask>
  void ask_reader(Done<Result<T>> done, Ask ask);
  void add_job(Job job);
  // Records of a topic were removed before the oldest ones were asked for; of any topic, where it is empty.
  void note_removal(const std::string& topic);

  // The writer's thread.
  void write();
  [[nodiscard]] std::vector<Request> take_group();
  void take_retention_changes();
  void commit_group(std::vector<Request>& group);
  void run_job(Job& job);
  void probe();
  std::int64_t empty_log();
  std::int64_t cut_log();
  void log_grew(std::uint64_t bytes);
  void answer_all(std::vector<Request>& group, const StoreUnavailable& error);
  void note_committed(std::size_t batches, std::size_t records);
  [[nodiscard]] UtcMillis now() const;
  // Records the error, undoes the transaction, and says what appends are answered with.
  StoreUnavailable fail_transaction(bool committing);
  void set_health(Health health);
  [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

  const SqliteOptions options_;
  StoreLock lock_;
  KeyVault vault_;
  std::unique_ptr<sqlite::Connection> db_;  // the writer's
  std::unique_ptr<SqliteWriter> writer_;
  const std::uint64_t epoch_;
  LeaseTable leases_{1};
  Metrics metrics_;
  Tail tail_;
  std::uint64_t log_frame_ = 0;  // bytes of a page in the write-ahead log

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> queue_;  // guarded by mutex_, as the rest
  std::deque<Job> jobs_;
  std::map<std::pair<RecordClass, std::string>, std::int64_t> retention_changes_;  // in milliseconds
  std::map<std::string, std::uint64_t, std::less<>> removals_;                     // by topic
  std::uint64_t removals_of_all_ = 0;
  std::size_t queue_bytes_ = 0;
  bool started_ = false;
  bool stopping_ = false;
  Health health_;
  std::atomic<bool> failed_{false};
  bool failing_ = false;         // the writer's thread alone
  std::uint64_t log_bytes_ = 0;  // the writer's thread alone
  LogRoom log_room_;             // the writer's thread alone

  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<ReaderPool<SqliteReader>> readers_;
  std::thread thread_;
};

}  // namespace flotilla::journal
