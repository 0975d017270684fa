#include "flotilla/saga/sqlite_rows.hpp"

#include <utility>

namespace flotilla::saga {
namespace {

std::int64_t millis(WallTime time) { return time.ns_since_epoch / 1'000'000; }

}  // namespace

Result<SqliteRows::Transaction> SqliteRows::Transaction::begin(SqliteRows& rows, WallTime now) {
  rows.at_ = millis(now);
  rows.connection_->execute("BEGIN IMMEDIATE");
  if (auto begun = rows.outcome(); !begun) {
    return std::unexpected(std::move(begun.error()));
  }
  return Transaction(rows);
}

SqliteRows::Transaction::~Transaction() {
  if (rows_ != nullptr) {
    rows_->connection_->roll_back();
  }
}

Result<> SqliteRows::Transaction::commit() {
  rows_->connection_->execute("COMMIT");
  auto committed = rows_->outcome();
  if (committed) {
    rows_ = nullptr;
  }
  return committed;
}

Result<std::int64_t> SqliteRows::forget(WallTime before, std::int64_t most) {
  forget_.run(millis(before), most);
  const std::int64_t count = connection_->ok() ? connection_->changes() : 0;
  return outcome(count);
}

Result<bool> SqliteRows::inserted() {
  const bool one = connection_->ok() && connection_->changes() == 1;
  return outcome(one);
}

Result<> SqliteRows::outcome() {
  if (connection_->ok()) {
    return {};
  }
  return std::unexpected(journal::sqlite::to_error(connection_->take_error()));
}

}  // namespace flotilla::saga
