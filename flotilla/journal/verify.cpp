#include "flotilla/journal/verify.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "flotilla/journal/sqlite.hpp"
#include "flotilla/journal/sqlite_schema.hpp"

namespace flotilla::journal {
namespace {

constexpr std::uint64_t kProgressEvery = 10'000;  // records

class Verifier {
 public:
  Verifier(sqlite::Connection& db, const Vocabulary& vocabulary,
           const std::function<void(std::uint64_t)>& progress)
      : db_(db), vocabulary_(vocabulary), progress_(progress) {}

  Result<StoreReport> run() {
    db_.execute("BEGIN");
    check_pages();
    if (db_.ok() && report_.problems.empty()) {
      read_store();
      check_records();
      check_versions();
      check_references();
    }
    if (!db_.ok()) {
      return std::unexpected(sqlite::to_error(db_.take_error()));
    }
    db_.execute("COMMIT");
    return std::move(report_);
  }

 private:
  void problem(std::string sentence) {
    if (report_.problems.size() < StoreReport::kMaxProblems) {
      report_.problems.push_back(std::move(sentence));
    }
  }

  void check_pages() {
    sqlite::Statement select = db_.prepare("PRAGMA integrity_check(100)");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      if (rows.bytes(0) != "ok") {
        problem(fmt::format("SQLite: {}", rows.bytes(0)));
      }
    }
  }

  void read_store() {
    report_.forgotten = static_cast<std::uint64_t>(db_.integer("SELECT forgotten FROM store"));
    last_position_ = static_cast<std::uint64_t>(db_.integer("SELECT last_position FROM store"));
    last_stream_ = static_cast<std::uint64_t>(db_.integer("SELECT last_stream FROM store"));
    sqlite::Statement select = db_.prepare("SELECT id, class, retain FROM segments ORDER BY id");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      const auto record_class = static_cast<RecordClass>(rows.integer(1));
      tables_.emplace_back(record_class, segment_table(record_class, rows.integer(0), rows.integer(2)));
    }
  }

  void check_records() {
    std::string sql;
    for (const auto& [record_class, table] : tables_) {
      sql += fmt::format("{}SELECT position, {}, stream, version, record FROM {}",
                         sql.empty() ? "" : " UNION ALL ", static_cast<int>(record_class), table);
    }
    sqlite::Statement select = db_.prepare(sql + " ORDER BY 1");
    std::uint64_t previous = 0;
    for (sqlite::Rows rows = select.query(); rows.next();) {
      const auto position = static_cast<std::uint64_t>(rows.integer(0));
      if (position <= previous) {
        problem(fmt::format("position {} stands twice", position));
      }
      previous = position;
      if (++report_.records % kProgressEvery == 0 && progress_) {
        progress_(report_.records);
      }
      last_stream_ = std::max(last_stream_, static_cast<std::uint64_t>(rows.integer(2)));
      check_record(position, rows);
    }
    last_position_ = std::max(last_position_, previous);
    report_.position = Position(last_position_);
    if (report_.records + report_.forgotten != last_position_) {
      problem(fmt::format("of {} positions {} hold a record and {} were forgotten: {} are not accounted for",
                          last_position_, report_.records, report_.forgotten,
                          static_cast<std::int64_t>(last_position_ - report_.records - report_.forgotten)));
    }
  }

  void check_record(std::uint64_t position, const sqlite::Rows& row) {
    const auto record = decode(row.bytes(4));
    if (!record) {
      problem(fmt::format("position {}: {}", position, record.error().message));
      return;
    }
    if (const auto known = vocabulary_.check(record->record_class, record->type, record->schema); !known) {
      problem(fmt::format("position {}: {}", position, known.error().message));
    }
    const bool agrees = static_cast<std::int64_t>(record->record_class) == row.integer(1) &&
                        record->stream.value() == static_cast<std::uint64_t>(row.integer(2)) &&
                        record->version == static_cast<std::uint64_t>(row.integer(3));
    if (!agrees) {
      problem(fmt::format(
          "position {}: the record is {} stream {} version {}, its row says {} stream {} version {}",
          position, to_string(record->record_class), record->stream.value(), record->version, row.integer(1),
          row.integer(2), row.integer(3)));
    }
    std::uint64_t& epoch = epochs_[record->stream.value()];
    if (record->epoch < epoch) {
      problem(fmt::format("position {}: epoch {} of stream {} follows epoch {}", position, record->epoch,
                          record->stream.value(), epoch));
    }
    epoch = std::max(epoch, record->epoch);
  }

  void check_versions() {
    for (const RecordClass record_class : kRecordClasses) {
      std::string rows_of_class;
      for (const auto& [table_class, table] : tables_) {
        if (table_class == record_class) {
          rows_of_class += fmt::format("{}SELECT stream, version FROM {}",
                                       rows_of_class.empty() ? "" : " UNION ALL ", table);
        }
      }
      sqlite::Statement select =
          db_.prepare(fmt::format("SELECT stream, min(version), max(version), count(*), stream IN (SELECT "
                                  "stream FROM heads) FROM ({}) GROUP BY "
                                  "stream",
                                  rows_of_class));
      for (sqlite::Rows rows = select.query(); rows.next();) {
        ++report_.streams;
        const bool whole = rows.integer(1) == 1 && rows.integer(2) == rows.integer(3);
        if (!whole && rows.integer(4) == 0) {
          problem(fmt::format("{} stream {} has {} records with versions {} to {}", to_string(record_class),
                              rows.integer(0), rows.integer(3), rows.integer(1), rows.integer(2)));
        }
      }
    }
  }

  void check_references() {
    for (const std::string_view table : {"claims", "summaries", "snapshots"}) {
      const std::int64_t strays =
          db_.integer(fmt::format("SELECT count(*) FROM {} WHERE stream > {}", table, last_stream_));
      if (strays > 0) {
        problem(fmt::format("{} of {} name a stream that was never created", strays, table));
      }
    }
    const std::int64_t found =
        db_.integer("SELECT count(*) FROM search WHERE stream NOT IN (SELECT stream FROM summaries)");
    const std::int64_t lost = db_.integer(
        fmt::format("SELECT count(*) FROM ({} EXCEPT SELECT name, text, stream FROM search)", kSearchOf));
    if (found + lost > 0) {
      problem(fmt::format("the index of attributes names {} that are of no row, and lacks {}", found, lost));
    }
    const std::int64_t strays =
        db_.integer(fmt::format("SELECT count(*) FROM cursors WHERE position > {}", last_position_));
    if (strays > 0) {
      problem(fmt::format("{} cursors are ahead of the journal", strays));
    }
  }

  sqlite::Connection& db_;
  const Vocabulary& vocabulary_;
  const std::function<void(std::uint64_t)>& progress_;
  StoreReport report_;
  std::vector<std::pair<RecordClass, std::string>> tables_;
  std::uint64_t last_position_ = 0;
  std::uint64_t last_stream_ = 0;
  std::unordered_map<std::uint64_t, std::uint64_t> epochs_;  // the newest of each stream
};

}  // namespace

Result<StoreReport> verify_store(const std::string& path, const Vocabulary& vocabulary,
                                 const std::function<void(std::uint64_t)>& progress) {
  auto db = open_store_for_reading(path);
  if (!db) {
    return std::unexpected(std::move(db.error()));
  }
  auto report = Verifier(**db, vocabulary, progress).run();
  if (!report) {
    report.error().message = fmt::format("the store {} cannot be read: {}", path, report.error().message);
  }
  return report;
}

}  // namespace flotilla::journal
