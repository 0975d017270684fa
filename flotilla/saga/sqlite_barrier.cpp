#include "flotilla/saga/sqlite_barrier.hpp"

#include <utility>

#include "flotilla/journal/sqlite.hpp"

namespace flotilla::saga {
namespace {

namespace sqlite = journal::sqlite;

constexpr const char* kTable = R"(
CREATE TABLE IF NOT EXISTS saga_barrier (
  step TEXT NOT NULL, op TEXT NOT NULL, state TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (step, op)
) WITHOUT ROWID)";

std::string_view letter(Op op) { return op == Op::action ? "a" : "c"; }

}  // namespace

class SqliteBarrier::Rows final : public BarrierStore {
 public:
  explicit Rows(sqlite3* handle) : connection_(sqlite::Connection::borrow(handle)) {}

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

  // The write lock is taken at once: a transaction that began by reading could not get it later.
  Result<> begin(WallTime now) {
    at_ = now.ns_since_epoch / 1'000'000;
    connection_->execute("BEGIN IMMEDIATE");
    return outcome();
  }
  Result<> commit() {
    connection_->execute("COMMIT");
    return outcome();
  }
  void roll_back() { connection_->roll_back(); }

  Result<bool> insert(const BarrierKey& key, const BarrierRow& row) override {
    insert_.run(key.step, letter(key.op), to_string(row.state), row.answer, at_);
    const bool inserted = connection_->ok() && connection_->changes() == 1;
    return outcome(inserted);
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
  Result<std::int64_t> forget(WallTime before, std::int64_t most) {
    forget_.run(before.ns_since_epoch / 1'000'000, most);
    const std::int64_t count = connection_->ok() ? connection_->changes() : 0;
    return outcome(count);
  }

 private:
  // An error is told once; the next transaction begins afresh.
  Result<> outcome() {
    if (connection_->ok()) {
      return {};
    }
    return std::unexpected(sqlite::to_error(connection_->take_error()));
  }
  template <class T>
  Result<T> outcome(T value) {
    if (auto failed = outcome(); !failed) {
      return std::unexpected(failed.error());
    }
    return value;
  }

  std::unique_ptr<sqlite::Connection> connection_;
  sqlite::Statement insert_;
  sqlite::Statement find_;
  sqlite::Statement update_;
  sqlite::Statement forget_;
  std::int64_t at_ = 0;
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
  if (auto begun = rows_->begin(now); !begun) {
    return std::unexpected(begun.error());
  }
  // Whatever goes wrong, or throws, undoes all of it.
  struct RollBack {
    Rows* rows;
    ~RollBack() {
      if (rows != nullptr) {
        rows->roll_back();
      }
    }
  } guard{rows_.get()};
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
  if (auto committed = rows_->commit(); !committed) {
    return std::unexpected(committed.error());
  }
  guard.rows = nullptr;
  return passage;
}

Result<std::int64_t> SqliteBarrier::forget(WallTime before, std::int64_t most) {
  return rows_->forget(before, most);
}

}  // namespace flotilla::saga
