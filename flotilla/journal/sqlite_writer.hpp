// What a transaction of the embedded store does: judge batches, write them, forget what is old.
//
// For: the writer thread of SqliteJournal. A group of batches is one transaction; a refused batch writes
// nothing, so it needs no savepoint. After begin() any number of apply(), then commit() or roll_back(). An
// error of SQLite stays on the connection (sqlite.hpp): look at ok() once, before commit().
// Ownership: the connection outlives it. Threads: one. Limits: kMaxCategories names; versions of at most
// kMaxHeads streams are remembered, others are looked up.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/key_vault.hpp"
#include "flotilla/journal/sqlite.hpp"

namespace flotilla::journal {

class SqliteWriter {
 public:
  static constexpr std::size_t kMaxCategories = 100'000;
  static constexpr std::size_t kMaxHeads = 200'000;
  // A period's table is closed early at this many rows, so that dropping it never takes long.
  static constexpr std::int64_t kSegmentRows = 250'000;

  // The file is at the newest schema. Raises the epoch by one. Errors: as of SQLite.
  [[nodiscard]] static Result<std::unique_ptr<SqliteWriter>> open(sqlite::Connection& db);
  // Who seals what is personal, from now on; outlives this.
  void set_vault(KeyVault* vault) noexcept { vault_ = vault; }
  // From now on what is deleted is written over with zeros. Between transactions.
  void delete_for_good() { db_.execute("PRAGMA secure_delete = ON"); }

  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] Position position() const noexcept { return Position(last_position_); }

  // `now` decides when a period of retention ends.
  bool begin(UtcMillis now);
  // The answer holds once commit() has succeeded. Takes the bodies out of the batch.
  AppendResult apply(Batch& batch);
  bool commit();
  // Everything is as before begin(), here too.
  void roll_back();
  [[nodiscard]] bool ok() const noexcept { return db_.ok(); }
  // Whether another process has begun an epoch of its own, lock file or not: every batch is stale.
  [[nodiscard]] bool is_usurped() const noexcept { return epoch_on_disk_ != epoch_; }
  // The records of the transaction, in order; for after commit().
  [[nodiscard]] std::vector<RecordPtr> take_records() { return std::exchange(fresh_, {}); }

  void set_retention(RecordClass record_class, std::string category, std::int64_t retain_ms);

  // Each within a transaction of its own making, between groups.

  // Removes the streams' records, rows and snapshots. Gives how many records.
  std::int64_t forget_streams(RecordClass record_class, std::span<const StreamId> streams);
  // Drops the tables whose records are all older than their retention. Without `hard` those stay that a
  // cursor has not passed. Gives how many records.
  std::int64_t drop_old_segments(UtcMillis now, bool hard);
  // Removes at most `limit` claims that expired by `now`. Gives how many.
  std::int64_t forget_claims(UtcMillis now, std::int64_t limit);
  // Removes at most `limit` of the oldest records of a topic at or before `until`. Gives how many.
  std::int64_t forget_topic(const std::string& topic, Position until, std::int64_t limit);
  // Removes these records of a topic, but for those that a cursor has not passed. Gives how many.
  std::int64_t forget_records(const std::string& topic, std::span<const Position> positions);
  // Removes at most `limit` of the oldest records of a topic at or before `until`, but for those that a
  // cursor has not passed. Gives how many.
  std::int64_t forget_oldest(const std::string& topic, Position until, std::int64_t limit);
  // The position that every cursor of the topic has come to; the last one there is where there is none.
  [[nodiscard]] std::int64_t consumed(const std::string& topic);
  // Removes at most `limit` claims of a scope. Gives how many.
  std::int64_t forget_scope(const std::string& scope, std::int64_t limit);
  // Removes at most `limit` rows of a fold's table. Gives how many.
  std::int64_t forget_rows(std::uint64_t table, std::int64_t limit);

 private:
  struct Segment {
    std::int64_t id = 0;
    RecordClass record_class{};
    std::int64_t retain = 0;
    std::int64_t opened = 0;
    std::int64_t first = 0;
    std::int64_t rows = 0;  // counted for periods only
    std::string table;
    sqlite::Statement insert;
    sqlite::Statement head;
  };

  explicit SqliteWriter(sqlite::Connection& db);
  bool load();
  void add_segment(Segment segment);

  [[nodiscard]] std::optional<AppendError> refusal(const Batch& batch);
  [[nodiscard]] std::optional<AppendError> version_refusal(const Append& append);
  [[nodiscard]] std::optional<AppendError> category_refusal(const Batch& batch);
  [[nodiscard]] std::optional<AppendError> claim_refusal(const Batch& batch);
  [[nodiscard]] std::optional<Holder> holder(const Claim& claim);
  [[nodiscard]] std::uint64_t head(RecordClass record_class, std::uint64_t stream);

  [[nodiscard]] std::optional<AppendError> seal(const Batch& batch);
  void append_records(Batch& batch, Appended& appended);
  void change_rows(const Batch& batch, const Appended& appended);
  void change_keys(const Batch& batch, const Appended& appended);
  [[nodiscard]] std::int64_t category_id(const std::string& name);
  [[nodiscard]] Segment& segment_for(RecordClass record_class, const std::string& category);
  [[nodiscard]] bool is_wanted(const Segment& segment);
  bool note_forgotten(std::int64_t records);

  sqlite::Connection& db_;
  std::uint64_t epoch_ = 0;
  std::uint64_t epoch_on_disk_ = 0;
  std::uint64_t last_position_ = 0;
  std::uint64_t last_stream_ = 0;
  std::int64_t now_ = 0;
  std::string scratch_;
  KeyVault* vault_ = nullptr;
  std::map<const NewRecord*, std::string> sealed_;  // bodies as they are kept, where they are others
  std::vector<RecordPtr> fresh_;
  std::unordered_map<std::uint64_t, std::uint64_t> heads_;
  std::unordered_map<std::string, std::int64_t> categories_;
  std::map<std::pair<RecordClass, std::string>, std::int64_t> retention_;
  std::list<Segment> segments_;  // in the order of ids

  sqlite::Statement begin_, commit_, read_epoch_, kept_head_, insert_category_;
  sqlite::Statement find_claim_, put_claim_, set_expiry_, release_claim_;
  sqlite::Statement change_summary_, add_summary_, add_search_, remove_summary_, put_snapshot_, put_cursor_,
      remove_cursor_, put_row_, remove_row_;
};

}  // namespace flotilla::journal
