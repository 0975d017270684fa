#include "flotilla/saga/sqlite_barrier.hpp"

#include <utility>

#include "flotilla/saga/sqlite_rows.hpp"

namespace flotilla::saga {
namespace {

constexpr const char* kTable = R"(
CREATE TABLE IF NOT EXISTS saga_barrier (
  step TEXT NOT NULL, op TEXT NOT NULL, state TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (step, op)
) WITHOUT ROWID)";

std::string_view letter(Op op) { return op == Op::action ? "a" : "c"; }

}  // namespace

class SqliteBarrier::Rows final : public SqliteRows {
 public:
  explicit Rows(sqlite3* handle) : SqliteRows(handle) {}

  Result<> prepare() {
    connection_->execute(kTable);
    insert_ =
        connection_->prepare("INSERT INTO saga_barrier VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING");
    find_ = connection_->prepare("SELECT state, answer FROM saga_barrier WHERE step = ?1 AND op = ?2");
    update_ =
        connection_->prepare("UPDATE saga_barrier SET state = ?3, answer = ?4 WHERE step = ?1 AND op = ?2");
    forget_ = connection_->prepare(
        "DELETE FROM saga_barrier WHERE (step, op) IN (SELECT step, op FROM saga_barrier WHERE at < ?1 LIMIT "
        "?2)");
    return outcome();
  }

  Result<bool> insert(const BarrierKey& key, const BarrierRow& row) override {
    insert_.run(key.step, letter(key.op), to_string(row.state), row.answer, at());
    return inserted();
  }
  Result<std::optional<BarrierRow>> find(const BarrierKey& key) override {
    std::optional<BarrierRow> found;
    {
      auto rows = find_.query(key.step, letter(key.op));
      if (rows.next()) {
        const auto state = parse_barrier_state(rows.bytes(0));
        if (!state) {
          return fail(Errc::invalid, "saga_barrier: " + key.step + " has a state that is none of ours");
        }
        found = BarrierRow{.state = *state, .answer = std::string(rows.bytes(1))};
      }
    }
    return outcome(std::move(found));
  }
  Result<> update(const BarrierKey& key, const BarrierRow& row) override {
    update_.run(key.step, letter(key.op), to_string(row.state), row.answer);
    return outcome();
  }
};

Result<SqliteBarrier> SqliteBarrier::open(sqlite3* connection) {
  auto rows = std::make_unique<Rows>(connection);
  if (auto prepared = rows->prepare(); !prepared) {
    return std::unexpected(prepared.error());
  }
  return SqliteBarrier(std::move(rows));
}

SqliteBarrier::SqliteBarrier(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
SqliteBarrier::SqliteBarrier(SqliteBarrier&&) noexcept = default;
SqliteBarrier& SqliteBarrier::operator=(SqliteBarrier&&) noexcept = default;
SqliteBarrier::~SqliteBarrier() = default;

Result<Passage> SqliteBarrier::run(const BarrierKey& key, WallTime now,
                                   const std::function<Result<Effect>()>& effect) {
  auto transaction = SqliteRows::Transaction::begin(*rows_, now);
  if (!transaction) {
    return std::unexpected(std::move(transaction.error()));
  }
  auto passage = enter(*rows_, key);
  if (!passage) {
    return passage;
  }
  if (passage->kind == Passage::Kind::act) {
    auto done = effect();
    if (!done) {
      return std::unexpected(done.error());
    }
    passage->refused = done->refused;
    passage->answer = done->answer;
    if (done->refused && key.op == Op::undo) {
      return passage;
    }
    if (auto left = leave(*rows_, key, done->refused, std::move(done->answer)); !left) {
      return std::unexpected(left.error());
    }
  }
  if (auto committed = transaction->commit(); !committed) {
    return std::unexpected(committed.error());
  }
  return passage;
}

Result<std::int64_t> SqliteBarrier::forget(WallTime before, std::int64_t most) {
  return rows_->forget(before, most);
}

}  // namespace flotilla::saga
