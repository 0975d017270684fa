#include "flotilla/journal/backup.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "flotilla/journal/new_file.hpp"
#include "flotilla/journal/sqlite.hpp"
#include "flotilla/journal/sqlite_schema.hpp"

namespace flotilla::journal {

Result<> backup_store(const std::string& from, const std::string& to) {
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
    sqlite3_backup* const backup =
        sqlite3_backup_init((*copy)->handle(), "main", (*source)->handle(), "main");
    const int stepped = backup == nullptr ? SQLITE_ERROR : sqlite3_backup_step(backup, -1);
    const int finished = sqlite3_backup_finish(backup);
    if (stepped != SQLITE_DONE || finished != SQLITE_OK) {
      return fail(Errc::unavailable,
                  fmt::format("cannot copy {} to {}: {}", from, to, sqlite3_errmsg((*copy)->handle())));
    }
  }
  return std::move(*file).publish();
}

}  // namespace flotilla::journal
