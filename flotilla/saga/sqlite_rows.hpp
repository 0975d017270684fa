// Rows that remember, in a service's own SQLite file, what took effect: what the barrier and the inbox share.
//
// For: sqlite_barrier.cpp and sqlite_inbox.cpp, whose rows these are under names of their own; they prepare
// the statements. Ownership: borrows the connection, which outlives it. Threads: one at a time, as the
// connection. Limits: none; an error is told once, and the next transaction begins afresh.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/journal/sqlite.hpp"
#include "flotilla/saga/core/barrier.hpp"

namespace flotilla::saga {

class SqliteRows : public BarrierStore {
 public:
  // What is written until commit() lasts as a whole; what is destroyed before, also by an exception, has left
  // nothing.
  class Transaction {
   public:
    // The write lock is taken at once: a transaction that began by reading could not get it later. `now` is
    // kept with the rows.
    [[nodiscard]] static Result<Transaction> begin(SqliteRows& rows, WallTime now);
    Transaction(Transaction&& other) noexcept : rows_(std::exchange(other.rows_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    // After an error it is rolled back.
    [[nodiscard]] Result<> commit();

   private:
    explicit Transaction(SqliteRows& rows) noexcept : rows_(&rows) {}
    SqliteRows* rows_;  // null: it has ended, or was moved from
  };

  // Rows of before then, at most `most`; gives their number.
  [[nodiscard]] Result<std::int64_t> forget(WallTime before, std::int64_t most);

 protected:
  explicit SqliteRows(sqlite3* handle) : connection_(journal::sqlite::Connection::borrow(handle)) {}

  [[nodiscard]] std::int64_t at() const noexcept { return at_; }  // of the transaction, in milliseconds
  // Whether the statement before has inserted its row.
  [[nodiscard]] Result<bool> inserted();
  [[nodiscard]] Result<> outcome();
  template <class T>
  [[nodiscard]] Result<T> outcome(T value) {
    if (auto failed = outcome(); !failed) {
      return std::unexpected(std::move(failed.error()));
    }
    return value;
  }

  std::unique_ptr<journal::sqlite::Connection> connection_;
  journal::sqlite::Statement insert_;
  journal::sqlite::Statement find_;
  journal::sqlite::Statement update_;
  journal::sqlite::Statement forget_;  // ?1: before when, in milliseconds; ?2: how many

 private:
  std::int64_t at_ = 0;
};

}  // namespace flotilla::saga
