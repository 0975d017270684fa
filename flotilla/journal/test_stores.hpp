// Every kind of journal, fresh, for tests that all must pass.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/journal/postgres_test_server.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal::test {

// Where a store may keep what it keeps.
struct Place {
  Directory directory;
  std::unique_ptr<Database> database;
};

struct Store {
  std::string_view name;
  std::unique_ptr<Journal> (*open)(Place&);  // nothing: it cannot be had here
};

inline std::unique_ptr<Journal> open_memory(Place&) { return std::make_unique<MemoryJournal>(vocabulary()); }
inline std::unique_ptr<Journal> open_memory_shards(Place&) {
  return std::make_unique<MemoryJournal>(vocabulary(), 4);
}
inline std::unique_ptr<Journal> open_sqlite(Place& place) {
  return SqliteJournal::open({.path = place.directory.file("journal.db"), .vocabulary = vocabulary()})
      .value();
}
inline std::unique_ptr<Journal> open_postgres(Place& place, std::size_t tail_records) {
  const auto server = postgres_url();
  if (!server) {
    return nullptr;
  }
  place.database = std::make_unique<Database>(*server);
  PostgresOptions options = place.database->options();
  options.tail_records = tail_records;
  return PostgresJournal::open(std::move(options)).value();
}
inline std::unique_ptr<Journal> open_postgres(Place& place) { return open_postgres(place, 256); }
inline std::unique_ptr<Journal> open_postgres_cold(Place& place) { return open_postgres(place, 0); }

// Without records in memory, so that every page comes from the file.
inline std::unique_ptr<Journal> open_sqlite_cold(Place& place) {
  return SqliteJournal::open(
             {.path = place.directory.file("journal.db"), .vocabulary = vocabulary(), .tail_records = 0})
      .value();
}

}  // namespace flotilla::journal::test
