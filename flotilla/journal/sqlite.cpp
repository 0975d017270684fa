#include "flotilla/journal/sqlite.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace flotilla::journal::sqlite {

bool is_passing(int code) noexcept {
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
      return true;
    default:
      return false;
  }
}

Error to_error(const SqlError& error) {
  const int primary = error.code & 0xff;
  const bool damaged = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
  return {damaged ? Errc::invalid : Errc::unavailable, error.message};
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Mode mode,
                                                     const std::string& vfs) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  flags |= mode == Mode::create ? SQLITE_OPEN_CREATE : 0;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  std::unique_ptr<Connection> connection(new Connection(handle, true));
  if (code != SQLITE_OK) {
    const char* const why = handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle);
    return fail(Errc::unavailable, fmt::format("cannot open the store {}: {}", path, why));
  }
  return connection;
}

std::unique_ptr<Connection> Connection::borrow(sqlite3* handle) {
  return std::unique_ptr<Connection>(new Connection(handle, false));
}

Connection::~Connection() {
  if (owned_) {
    sqlite3_close_v2(handle_);
  }
}

void Connection::note(int code, std::string_view doing) {
  if (ok()) {
    error_ = SqlError{code, fmt::format("{}: {} ({})", doing, sqlite3_errmsg(handle_), sqlite3_errstr(code))};
  }
}

SqlError Connection::take_error() {
  SqlError error = std::move(error_).value_or(SqlError{});
  error_.reset();
  return error;
}

bool Connection::execute(const std::string& sql) {
  if (ok()) {
    const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
      note(code, sql);
    }
  }
  return ok();
}

Statement Connection::prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (ok()) {
    const int code = sqlite3_prepare_v3(handle_, sql.c_str(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      note(code, sql);
    }
  }
  return {*this, statement};
}

std::int64_t Connection::integer(const std::string& sql) {
  Statement statement = prepare(sql);
  Rows rows = statement.query();
  return rows.next() ? rows.integer(0) : 0;
}

std::int64_t Connection::changes() const noexcept { return sqlite3_changes64(handle_); }

void Connection::roll_back() {
  if (sqlite3_get_autocommit(handle_) == 0) {
    // Its own failure adds nothing: SQLite has then ended the transaction itself.
    (void)sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Rows::~Rows() {
  if (handle_ != nullptr) {
    sqlite3_reset(handle_);
  }
}

bool Rows::next() {
  if (handle_ == nullptr || !connection_.ok()) {
    return false;
  }
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code != SQLITE_DONE) {
    connection_.note(code, sqlite3_sql(handle_));
  }
  sqlite3_reset(std::exchange(handle_, nullptr));
  return false;
}

std::int64_t Rows::integer(int column) const noexcept { return sqlite3_column_int64(handle_, column); }

std::string_view Rows::bytes(int column) const noexcept {
  const void* const data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

bool Rows::is_null(int column) const noexcept { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::bind_integer(int index, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(handle_, index, value); code != SQLITE_OK) {
    connection_->note(code, sqlite3_sql(handle_));
  }
}

// Static: arguments outlive the run, and are bound anew for the next. A null pointer would bind NULL.
void Statement::bind_text(int index, std::string_view text) {
  const char* const data = text.data() == nullptr ? "" : text.data();
  const int code = sqlite3_bind_text64(handle_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) {
    connection_->note(code, sqlite3_sql(handle_));
  }
}

void Statement::bind_blob(int index, std::string_view bytes) {
  const char* const data = bytes.data() == nullptr ? "" : bytes.data();
  const int code = sqlite3_bind_blob64(handle_, index, data, bytes.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) {
    connection_->note(code, sqlite3_sql(handle_));
  }
}

}  // namespace flotilla::journal::sqlite
