// A journal in memory, for tests: the same answers as a store, at once, and nothing survives the process.
//
// It may have several shards, all of them ours until they are lost().
// It is written to be read, not to be fast: the model that stores are compared with.
// Ownership: owns everything. Threads: any, one mutex; callbacks run before a call returns. Limits: memory.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/lease_table.hpp"
#include "flotilla/journal/tail.hpp"

namespace flotilla::journal {

class MemoryJournal final : public Journal {
 public:
  explicit MemoryJournal(Vocabulary vocabulary, std::uint32_t shards = 1);

  // What a restart of the owner does: from now on batches of the old epoch are stale.
  void begin_epoch(std::uint32_t shard = 0);
  // Another process takes the shard, and begins an epoch of its own; begin_epoch() takes it back. Gives what
  // has gone once the shard's work has stopped.
  std::weak_ptr<void> lose(std::uint32_t shard);
  // To hand out shorter leases, and other owners' addresses.
  [[nodiscard]] LeaseTable& leases() noexcept { return leases_; }
  // Every append is answered with this, and changes nothing, until it is taken back with nothing.
  void break_appends(std::optional<StoreUnavailable> answer);

  void set_retention(RecordClass, std::string, Millis) override {}  // memory forgets nothing
  void forget_streams(RecordClass, std::vector<StreamId>, Done<Result<std::int64_t>> done) override {
    done(0);
  }
  void forget_periods(bool, Done<Result<std::int64_t>> done) override { done(0); }
  void forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done) override;
  [[nodiscard]] bool keeps_rows() const noexcept override { return true; }
  void forget_claims(std::size_t, Done<Result<std::int64_t>> done) override { done(0); }
  [[nodiscard]] std::uint32_t shards() const noexcept override {
    return static_cast<std::uint32_t>(shards_.size());
  }
  [[nodiscard]] Ownership& ownership() noexcept override { return leases_; }
  [[nodiscard]] Health health() const override;
  [[nodiscard]] const Metrics& metrics() const noexcept override { return metrics_; }

 private:
  struct Shard {
    explicit Shard(std::uint32_t index) : tail(Position(0, index)) {}
    Tail tail;
    std::uint64_t epoch = 1;
    std::uint64_t streams = 0;       // that it has created
    std::vector<RecordPtr> records;  // by position - 1
  };
  struct Stream {
    RecordClass record_class{};
    std::vector<RecordPtr> records;
  };
  struct Row {
    RecordClass record_class{};
    Summary summary;
    std::string first_attributes;  // by which it is found
  };
  using Key = std::pair<std::string, std::string>;

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
  [[nodiscard]] const Vocabulary& vocabulary() const noexcept override { return vocabulary_; }
  [[nodiscard]] std::uint64_t do_epoch(std::uint32_t shard) const noexcept override;
  [[nodiscard]] Position do_position(std::uint32_t shard) const noexcept override;
  [[nodiscard]] Tail& tail(std::uint32_t shard) noexcept override { return shards_[shard].tail; }

  // The rest with the mutex held.
  AppendResult commit(Batch& batch);
  [[nodiscard]] std::optional<AppendError> refusal(const Batch& batch) const;
  [[nodiscard]] std::optional<Holder> holder(const Batch& batch, const Claim& claim) const;
  [[nodiscard]] std::uint64_t version(StreamId stream) const;
  Appended append_records(Batch& batch);
  void change_rows(const Batch& batch, const Appended& appended);
  void change_keys(const Batch& batch, const Appended& appended);

  const Vocabulary vocabulary_;
  Metrics metrics_;
  LeaseTable leases_;
  mutable std::mutex mutex_;
  std::deque<Shard> shards_;  // never moved
  std::optional<StoreUnavailable> broken_;
  std::map<StreamId, Stream> streams_;
  std::map<Key, Holder> claims_;
  std::map<StreamId, Row> rows_;
  std::map<StreamId, Snapshot> snapshots_;
  std::map<std::string, Cursor> cursors_;
  std::map<std::uint64_t, std::map<RowName, std::string>> tables_;  // rows of folds
};

}  // namespace flotilla::journal
