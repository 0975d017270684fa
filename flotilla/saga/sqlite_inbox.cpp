#include "flotilla/saga/sqlite_inbox.hpp"

#include <utility>

#include "flotilla/saga/core/barrier.hpp"
#include "flotilla/saga/sqlite_rows.hpp"

namespace flotilla::saga {
namespace {

constexpr const char* kTable = R"(
CREATE TABLE IF NOT EXISTS event_inbox (
  subscription TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (subscription, source, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_inbox_at ON event_inbox (at))";

}  // namespace

// A barrier's rows under another name: `key` is the event's, not the barrier's.
class SqliteInbox::Rows final : public SqliteRows {
 public:
  explicit Rows(sqlite3* handle) : SqliteRows(handle) {}

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

  // Of which event the next transaction is.
  void set_key(const InboxKey& key) { key_ = key; }

  Result<bool> insert(const BarrierKey& /*key*/, const BarrierRow& row) override {
    insert_.run(key_.subscription, key_.source, key_.id, row.answer, at());
    return inserted();
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

 private:
  InboxKey key_;
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
  rows_->set_key(key);
  auto transaction = SqliteRows::Transaction::begin(*rows_, now);
  if (!transaction) {
    return std::unexpected(std::move(transaction.error()));
  }
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
  if (auto committed = transaction->commit(); !committed) {
    return std::unexpected(committed.error());
  }
  return receipt;
}

Result<std::int64_t> SqliteInbox::forget(WallTime before, std::int64_t most) {
  return rows_->forget(before, most);
}

}  // namespace flotilla::saga
