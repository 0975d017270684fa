#include "flotilla/saga/sqlite_inbox.hpp"

#include <utility>

#include "flotilla/journal/sqlite.hpp"
#include "flotilla/saga/core/barrier.hpp"

namespace flotilla::saga {
namespace {

namespace sqlite = journal::sqlite;

constexpr const char* kTable = R"(
CREATE TABLE IF NOT EXISTS event_inbox (
  subscription TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (subscription, source, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_inbox_at ON event_inbox (at))";

}  // namespace

// A barrier's rows under another name: `key` is the event's, not the barrier's.
class SqliteInbox::Rows final : public BarrierStore {
 public:
  explicit Rows(sqlite3* handle) : connection_(sqlite::Connection::borrow(handle)) {}

  Result<> prepare() {
    connection_->execute(kTable);
    insert_ =
        connection_->prepare("INSERT INTO event_inbox VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING");
    find_ = connection_->prepare(
        "SELECT answer FROM event_inbox WHERE subscription = ?1 AND source = ?2 AND id = ?3");
    update_ = connection_->prepare(
        "UPDATE event_inbox SET answer = ?4 WHERE subscription = ?1 AND source = ?2 AND id = ?3");
    forget_ = connection_->prepare(
        "DELETE FROM event_inbox WHERE (subscription, source, id) IN (SELECT subscription, source, id FROM "
        "event_inbox "
        "WHERE at < ?1 LIMIT ?2)");
    return outcome();
  }

  // The write lock is taken at once: a transaction that began by reading could not get it later.
  Result<> begin(const InboxKey& key, WallTime now) {
    key_ = key;
    at_ = now.ns_since_epoch / 1'000'000;
    connection_->execute("BEGIN IMMEDIATE");
    return outcome();
  }
  Result<> commit() {
    connection_->execute("COMMIT");
    return outcome();
  }
  void roll_back() { connection_->roll_back(); }

  Result<bool> insert(const BarrierKey& /*key*/, const BarrierRow& row) override {
    insert_.run(key_.subscription, key_.source, key_.id, row.answer, at_);
    const bool inserted = connection_->ok() && connection_->changes() == 1;
    return outcome(inserted);
  }
  Result<std::optional<BarrierRow>> find(const BarrierKey& /*key*/) override {
    std::optional<BarrierRow> found;
    {
      auto rows = find_.query(key_.subscription, key_.source, key_.id);
      if (rows.next()) {
        found = BarrierRow{.state = BarrierRow::State::done, .answer = std::string(rows.bytes(0))};
      }
    }
    return outcome(std::move(found));
  }
  Result<> update(const BarrierKey& /*key*/, const BarrierRow& row) override {
    update_.run(key_.subscription, key_.source, key_.id, row.answer);
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
  InboxKey key_;
  std::int64_t at_ = 0;
};

Result<SqliteInbox> SqliteInbox::open(sqlite3* connection) {
  auto rows = std::make_unique<Rows>(connection);
  if (auto prepared = rows->prepare(); !prepared) {
    return std::unexpected(prepared.error());
  }
  return SqliteInbox(std::move(rows));
}

SqliteInbox::SqliteInbox(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
SqliteInbox::SqliteInbox(SqliteInbox&&) noexcept = default;
SqliteInbox& SqliteInbox::operator=(SqliteInbox&&) noexcept = default;
SqliteInbox::~SqliteInbox() = default;

Result<SqliteInbox::Receipt> SqliteInbox::run(const InboxKey& key, WallTime now,
                                              const std::function<Result<std::string>()>& effect) {
  if (key.subscription.empty() || key.source.empty() || key.id.empty()) {
    return fail(Errc::invalid, "an event has a subscription, a source and an id");
  }
  if (auto begun = rows_->begin(key, now); !begun) {
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
  const BarrierKey event{.step = key.id, .op = Op::action};
  auto passage = enter(*rows_, event);
  if (!passage) {
    return std::unexpected(passage.error());
  }
  Receipt receipt{.first = passage->kind == Passage::Kind::act, .answer = std::move(passage->answer)};
  if (receipt.first) {
    auto answer = effect();
    if (!answer) {
      return std::unexpected(answer.error());
    }
    receipt.answer = *answer;
    if (auto left = leave(*rows_, event, false, std::move(*answer)); !left) {
      return std::unexpected(left.error());
    }
  }
  if (auto committed = rows_->commit(); !committed) {
    return std::unexpected(committed.error());
  }
  guard.rows = nullptr;
  return receipt;
}

Result<std::int64_t> SqliteInbox::forget(WallTime before, std::int64_t most) {
  return rows_->forget(before, most);
}

}  // namespace flotilla::saga
