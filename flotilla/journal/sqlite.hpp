// SQLite in our words: a connection that remembers its first error, and statements that bind, step and reset
// themselves.
//
// For: this folder, and what keeps its rows in somebody else's SQLite file (borrow()). A unit of work is
// written as if nothing failed; after the first error every statement of its connection does nothing and
// finds nothing, until somebody has looked at error() and cleared it. So work reads from top to bottom, and
// an error is looked at in one place. Ownership: a Connection owns its handle and must outlive its
// Statements. Threads: one at a time per connection (SQLite's multi-thread mode). Limits: SQLite's.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace flotilla::journal::sqlite {

struct SqlError {
  int code = 0;         // SQLite's extended result code
  std::string message;  // what was done, and SQLite's words
};

// Whether the cause may go away by itself or by an operator's hand (disk full, read-only, locked by another
// process): nothing was changed, and trying again is safe. After anything else it is not.
[[nodiscard]] bool is_passing(int code) noexcept;

// As an Error for readers: damaged files are `invalid`, all else `unavailable`.
[[nodiscard]] Error to_error(const SqlError& error);

// A blob, where a string_view would be text.
struct Blob {
  std::string_view bytes;
};

class Statement;

class Connection {
 public:
  enum class Mode : std::uint8_t { read_only, read_write, create };

  // `vfs`: empty for the system's own.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::string& path, Mode mode,
                                                                const std::string& vfs);
  // Of a handle that is somebody else's and outlives this: it is not closed.
  [[nodiscard]] static std::unique_ptr<Connection> borrow(sqlite3* handle);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] const std::optional<SqlError>& error() const noexcept { return error_; }
  [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }
  // Forgets the error, so that work goes on; hands it out.
  SqlError take_error();

  // Runs statements without parameters or rows; false after an error.
  bool execute(const std::string& sql);
  [[nodiscard]] Statement prepare(const std::string& sql);
  // The first column of the first row of a query; 0 without one.
  [[nodiscard]] std::int64_t integer(const std::string& sql);
  // Rows changed by the statement before.
  [[nodiscard]] std::int64_t changes() const noexcept;
  // Ends a transaction that an error left open.
  void roll_back();

  [[nodiscard]] sqlite3* handle() const noexcept { return handle_; }
  void note(int code, std::string_view doing);

 private:
  Connection(sqlite3* handle, bool owned) noexcept : handle_(handle), owned_(owned) {}
  sqlite3* handle_;
  bool owned_;
  std::optional<SqlError> error_;
};

// The rows of a running query; ends it when destroyed. Text and blobs point into the row.
class Rows {
 public:
  Rows(Rows&& other) noexcept
      : connection_(other.connection_), handle_(std::exchange(other.handle_, nullptr)) {}
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  // Whether there is a (next) row.
  bool next();
  [[nodiscard]] std::int64_t integer(int column) const noexcept;
  [[nodiscard]] std::string_view bytes(int column) const noexcept;  // of text or blob
  [[nodiscard]] bool is_null(int column) const noexcept;

 private:
  friend class Statement;
  Rows(Connection& connection, sqlite3_stmt* handle) noexcept : connection_(connection), handle_(handle) {}
  Connection& connection_;
  sqlite3_stmt* handle_;  // null: after an error, no rows
};

class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept { swap(other); }
  Statement& operator=(Statement&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Statement();

  // Binds the arguments to ?1, ?2, ... and runs to the end; false after an error.
  template <class... Args>
  bool run(const Args&... args) {
    Rows rows = query(args...);
    while (rows.next()) {
    }
    return ok();
  }
  // One Rows of a statement at a time. The arguments must outlive it.
  template <class... Args>
  [[nodiscard]] Rows query(const Args&... args) {
    if (!ok()) {
      return {*connection_, nullptr};
    }
    int index = 0;
    (bind(++index, args), ...);
    return {*connection_, ok() ? handle_ : nullptr};
  }
  // For a parameter beyond those that query() binds: before it. The text must outlive the rows.
  void bind_beyond(int index, std::string_view text) {
    if (ok()) {
      bind_text(index, text);
    }
  }

 private:
  friend class Connection;
  Statement(Connection& connection, sqlite3_stmt* handle) noexcept
      : connection_(&connection), handle_(handle) {}
  void swap(Statement& other) noexcept {
    std::swap(connection_, other.connection_);
    std::swap(handle_, other.handle_);
  }
  [[nodiscard]] bool ok() const noexcept { return connection_->ok() && handle_ != nullptr; }
  template <std::integral Int>
  void bind(int index, Int value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  void bind(int index, std::string_view text) { bind_text(index, text); }
  void bind(int index, const std::string& text) { bind_text(index, text); }
  void bind(int index, Blob blob) { bind_blob(index, blob.bytes); }
  void bind_integer(int index, std::int64_t value);
  void bind_text(int index, std::string_view text);
  void bind_blob(int index, std::string_view bytes);

  Connection* connection_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace flotilla::journal::sqlite
