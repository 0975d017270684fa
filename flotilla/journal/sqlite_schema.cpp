#include "flotilla/journal/sqlite_schema.hpp"

#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <sqlite3.h>

namespace flotilla::journal {
namespace {

constexpr std::int64_t kApplicationId = 0x466c6f74;  // "Flot"

// Version 1. The class tables are segments 1 to 4; create_segment() must go on creating the same columns.
constexpr const char* kFirst = R"(
CREATE TABLE store(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  forgotten INTEGER NOT NULL,
  last_position INTEGER NOT NULL,
  last_stream INTEGER NOT NULL);
INSERT INTO store VALUES (1, 0, 0, 0, 0);
CREATE TABLE segments(
  id INTEGER PRIMARY KEY,
  class INTEGER NOT NULL,
  retain INTEGER NOT NULL,
  opened INTEGER NOT NULL,
  first INTEGER NOT NULL);
INSERT INTO segments VALUES (1, 1, 0, 0, 1), (2, 2, 0, 0, 1), (3, 3, 0, 0, 1), (4, 4, 0, 0, 1);
CREATE TABLE heads(stream INTEGER PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE categories(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE claims(
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  stream INTEGER NOT NULL,
  hash BLOB NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE INDEX claims_by_expiry ON claims(expires) WHERE expires > 0;
CREATE TABLE summaries(
  stream INTEGER PRIMARY KEY,
  class INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  attributes TEXT NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL);
CREATE INDEX summaries_by_name ON summaries(class, name);
CREATE INDEX summaries_by_state ON summaries(class, state);
CREATE TABLE snapshots(
  stream INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  fold INTEGER NOT NULL,
  state BLOB NOT NULL);
CREATE TABLE cursors(
  name TEXT PRIMARY KEY,
  class INTEGER NOT NULL,
  category TEXT NOT NULL,
  position INTEGER NOT NULL,
  state BLOB NOT NULL) WITHOUT ROWID;
)";

// Version 2: what rows are found by. The JSON functions are for statements alone: a schema may not call them
// where it is not trusted.
std::string second_step() {
  return fmt::format(R"(
CREATE TABLE search(
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  stream INTEGER NOT NULL,
  PRIMARY KEY (name, text, stream)) WITHOUT ROWID;
CREATE INDEX search_by_stream ON search(stream);
CREATE TRIGGER row_is_gone AFTER DELETE ON summaries BEGIN
  DELETE FROM search WHERE stream = old.stream;
END;
INSERT OR IGNORE INTO search {};
)",
                     kSearchOf);
}

// Version 3: rows of folds. Values may be long, so the index does not hold them.
constexpr const char* kThird = R"(
CREATE TABLE fold_rows(
  id INTEGER PRIMARY KEY,
  fold INTEGER NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL);
CREATE UNIQUE INDEX fold_rows_by_name ON fold_rows(fold, key, name);
)";

bool take_step(sqlite::Connection& connection, const char* sql, std::size_t version) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute(sql);
  if (version == 1) {
    for (const RecordClass record_class : kRecordClasses) {
      create_segment(connection, std::string(to_string(record_class)));
    }
    connection.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
  }
  connection.execute(fmt::format("PRAGMA user_version = {}", version));
  return connection.execute("COMMIT");
}

}  // namespace

SchemaSteps schema_steps() {
  static const std::string second = second_step();
  static const std::array steps{kFirst, second.c_str(), kThird};
  return steps;
}

Result<> migrate(sqlite::Connection& connection, const std::string& path, SchemaSteps steps) {
  const auto version = static_cast<std::size_t>(connection.integer("PRAGMA user_version"));
  const std::int64_t application = connection.integer("PRAGMA application_id");
  const std::int64_t tables = connection.integer("SELECT count(*) FROM sqlite_schema");
  if (!connection.ok()) {
    Error error = sqlite::to_error(connection.take_error());
    error.message = fmt::format("cannot read the store {}: {}", path, error.message);
    return std::unexpected(std::move(error));
  }
  if (application != kApplicationId && (tables > 0 || application != 0 || version != 0)) {
    return fail(Errc::unsupported,
                fmt::format("{} is a SQLite file, but no journal of Flotilla: name another file", path));
  }
  if (version > steps.size()) {
    return fail(
        Errc::unsupported,
        fmt::format("the store {} has schema {}, this version of Flotilla knows up to {}: run the version "
                    "that wrote it, or a newer one",
                    path, version, steps.size()));
  }
  for (std::size_t next = version; next < steps.size(); ++next) {
    if (!take_step(connection, steps[next], next + 1)) {
      connection.roll_back();
      Error error = sqlite::to_error(connection.take_error());
      error.message = fmt::format("cannot bring the store {} from schema {} to {} (it is unchanged): {}",
                                  path, next, next + 1, error.message);
      return std::unexpected(std::move(error));
    }
  }
  return {};
}

Result<std::unique_ptr<sqlite::Connection>> open_store_for_reading(const std::string& path) {
  std::error_code ignored;  // then SQLite says why
  if (!std::filesystem::exists(path, ignored)) {
    return fail(Errc::not_found, fmt::format("there is no store at {}", path));
  }
  auto db = sqlite::Connection::open(path, sqlite::Connection::Mode::read_only, "");
  if (!db) {
    return db;
  }
  (*db)->execute(fmt::format("PRAGMA busy_timeout = {}; PRAGMA trusted_schema = OFF", kBusyMillis));
  const std::int64_t application = (*db)->integer("PRAGMA application_id");
  const auto version = static_cast<std::size_t>((*db)->integer("PRAGMA user_version"));
  if (!(*db)->ok()) {
    Error error = sqlite::to_error((*db)->take_error());
    error.message = fmt::format("cannot read the store {}: {}", path, error.message);
    return std::unexpected(std::move(error));
  }
  if (application == kApplicationId && version < schema_steps().size()) {
    return fail(
        Errc::unsupported,
        fmt::format("the store {} has schema {}, this version of Flotilla reads {}: start it on the store, "
                    "which upgrades it, or use the version that wrote it",
                    path, version, schema_steps().size()));
  }
  if (application != kApplicationId || version > schema_steps().size()) {
    return fail(Errc::unsupported,
                fmt::format("{} is no journal of schema {}, which this version of Flotilla writes", path,
                            schema_steps().size()));
  }
  return db;
}

bool configure(sqlite::Connection& connection) {
  sqlite3_busy_timeout(connection.handle(), kBusyMillis);
  connection.execute("PRAGMA journal_mode = WAL");
  {
    sqlite::Statement mode = connection.prepare("PRAGMA journal_mode");
    sqlite::Rows rows = mode.query();
    if (rows.next() && rows.bytes(0) != "wal") {
      connection.note(SQLITE_CANTOPEN, "the file system has no shared memory, which a write-ahead log needs");
    }
  }
  connection.execute("PRAGMA synchronous = FULL");
  connection.execute("PRAGMA wal_autocheckpoint = 0");
  connection.execute("PRAGMA cache_size = -32768");  // KiB
  connection.execute("PRAGMA temp_store = MEMORY");
  return connection.execute("PRAGMA trusted_schema = OFF");
}

std::string segment_table(RecordClass record_class, std::int64_t segment, std::int64_t retain_ms) {
  return retain_ms == 0 ? std::string(to_string(record_class))
                        : fmt::format("{}_{}", to_string(record_class), segment);
}

bool create_segment(sqlite::Connection& connection, const std::string& table) {
  connection.execute(fmt::format(
      "CREATE TABLE {}(position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT "
      "NULL, category INTEGER NOT NULL, record BLOB NOT NULL)",
      table));
  connection.execute(fmt::format("CREATE UNIQUE INDEX {0}_by_stream ON {0}(stream, version)", table));
  // Its entries end in the position, the row's own key.
  return connection.execute(
      fmt::format("CREATE INDEX {0}_by_category ON {0}(category) WHERE category > 0", table));
}

}  // namespace flotilla::journal
