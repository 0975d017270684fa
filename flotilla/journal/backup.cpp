#include "flotilla/journal/backup.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "flotilla/journal/new_file.hpp"
#include "flotilla/journal/sqlite.hpp"
#include "flotilla/journal/sqlite_schema.hpp"

namespace flotilla::journal {
namespace {

constexpr int kPagesAtOnce = 2048;  // between two reports of progress

// Copies all of `source`, as the transaction that is open on it sees it.
bool copy_pages(sqlite::Connection& source, sqlite::Connection& copy, const CopyProgress& progress) {
  const std::int64_t page = source.integer("PRAGMA page_size");
  sqlite3_backup* const backup = sqlite3_backup_init(copy.handle(), "main", source.handle(), "main");
  int stepped = SQLITE_ERROR;
  while (backup != nullptr && (stepped = sqlite3_backup_step(backup, kPagesAtOnce)) == SQLITE_OK) {
    if (progress) {
      const std::int64_t all = sqlite3_backup_pagecount(backup);
      progress(static_cast<std::uint64_t>((all - sqlite3_backup_remaining(backup)) * page),
               static_cast<std::uint64_t>(all * page));
    }
  }
  return sqlite3_backup_finish(backup) == SQLITE_OK && stepped == SQLITE_DONE;
}

}  // namespace

Result<> backup_store(const std::string& from, const std::string& to, const CopyProgress& progress) {
  auto source = open_store_for_reading(from);
  if (!source) {
    return std::unexpected(std::move(source.error()));
  }
  auto file = NewFile::begin(to);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  {
    auto copy = sqlite::Connection::open(file->path(), sqlite::Connection::Mode::create, "");
    if (!copy) {
      return std::unexpected(std::move(copy.error()));
    }
    // One snapshot, held open: without it every commit of the owner would make the copy begin again.
    (*source)->execute("BEGIN");
    (void)(*source)->integer("SELECT epoch FROM store");
    if (!copy_pages(**source, **copy, progress)) {
      return fail(Errc::unavailable,
                  fmt::format("cannot copy {} to {}: {}", from, to, sqlite3_errmsg((*copy)->handle())));
    }
  }
  return std::move(*file).publish();
}

}  // namespace flotilla::journal
