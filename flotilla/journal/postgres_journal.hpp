// The shared journal: a PostgreSQL database that several processes have open, each writing the shards it
// leases.
//
// For: deployments of more than one machine (`stores: journal: postgres://...`).
// How it keeps the promise of journal.hpp: a batch is one call of a function on the server, which judges and
//   writes it under the lock of its shard's row and the owner's epoch (postgres_functions.cpp). What waits
//   for the same lane (postgres_lane.hpp) is one transaction, committed with synchronous_commit on.
// Shards of others may be read, and waited for: their new records are noticed within some 100 ms.
// Failure: while the server is away appends are answered with StoreUnavailable, leases lapse, and everything
// is
//   tried again; nothing needs the process to be restarted.
// Ownership: owns its threads and connections. Threads: as Journal says. Limits: those of Options.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/lease_table.hpp"
#include "flotilla/journal/moment.hpp"
#include "flotilla/journal/postgres.hpp"
#include "flotilla/journal/postgres_batch.hpp"
#include "flotilla/journal/postgres_lane.hpp"
#include "flotilla/journal/postgres_leases.hpp"
#include "flotilla/journal/postgres_reader.hpp"
#include "flotilla/journal/postgres_schema.hpp"
#include "flotilla/journal/reader_pool.hpp"
#include "flotilla/journal/tail.hpp"
#include "flotilla/journal/topic_upkeep.hpp"

namespace flotilla::journal {

struct PostgresOptions {
  std::string uri;  // postgres://user@host/database
  Vocabulary vocabulary;
  std::string address;  // where other processes reach the owner of a shard; empty: nowhere
  // Connections: these, and one for the leases.
  std::size_t lanes = 4;
  std::size_t readers = 2;
  std::size_t tail_records = 256;  // of each shard, in memory for readers that keep up
  Millis statement_timeout{10'000};
  Millis look_every{100};
  // Wall time for retention; the system's clock when empty.
  std::function<UtcMillis()> now;
};

class PostgresJournal final : public Journal, public Moments, public TopicUpkeep {
 public:
  // Brings the database to the newest schema and takes what shards it may. Errors: invalid (the address),
  // unsupported (newer schema, no libpq), unavailable.
  [[nodiscard]] static Result<std::unique_ptr<PostgresJournal>> open(PostgresOptions options);
  ~PostgresJournal() override;

  void set_retention(RecordClass record_class, std::string category, Millis retain) override;
  // Of the shards that are ours.
  void forget_streams(RecordClass record_class, std::vector<StreamId> streams,
                      Done<Result<std::int64_t>> done) override;
  void forget_periods(bool hard, Done<Result<std::int64_t>> done) override;
  void forget_claims(std::size_t limit, Done<Result<std::int64_t>> done) override;
  void forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done) override;
  [[nodiscard]] bool keeps_rows() const noexcept override { return true; }
  void forget_topic(std::string topic, Position until, Done<Result<std::int64_t>> done) override;
  void forget_scope(std::string scope, Done<Result<std::int64_t>> done) override;
  void positions(Done<Result<ReadToken>> done) override;
  [[nodiscard]] std::uint32_t shards() const noexcept override { return pg::kShards; }
  [[nodiscard]] Ownership& ownership() noexcept override { return leases_; }
  [[nodiscard]] Health health() const override;
  [[nodiscard]] const Metrics& metrics() const noexcept override { return metrics_; }
  // Without user and password.
  [[nodiscard]] const std::string& name() const noexcept { return address_.name; }

 private:
  PostgresJournal(PostgresOptions options, pg::Address address);
  void start();

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
  [[nodiscard]] std::uint64_t do_epoch(std::uint32_t shard) const noexcept override {
    return leases_.epoch(shard);
  }
  [[nodiscard]] Position do_position(std::uint32_t shard) const noexcept override {
    return tails_[shard].end();
  }
  [[nodiscard]] Tail& tail(std::uint32_t shard) noexcept override { return tails_[shard]; }

  template <class T, class Ask>
  void ask_reader(Done<Result<T>> done, Ask ask);
  void publish(std::uint32_t shard, std::span<const RecordPtr> records);
  void moved_on(Position position);
  // Readers look in the store again.
  void forget_memory();
  [[nodiscard]] UtcMillis now() const;

  const PostgresOptions options_;
  const pg::Address address_;
  LeaseTable leases_;
  Metrics metrics_;
  std::mutex counting_;     // held while lanes count
  std::mutex publishing_;   // held while a tail changes
  std::deque<Tail> tails_;  // by shard
  mutable std::mutex mutex_;
  std::shared_ptr<const pg::Retention> retention_ = std::make_shared<pg::Retention>();  // guarded by mutex_
  std::unique_ptr<ReaderPool<pg::Reader>> readers_;
  std::deque<pg::Lane> lanes_;
  std::unique_ptr<pg::LeaseKeeper> keeper_;
};

}  // namespace flotilla::journal
