#include "shop_file.hpp"

#include <utility>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"

namespace embedded_example {

using flotilla::Result;
using flotilla::journal::sqlite::Connection;
using flotilla::json::Value;
using flotilla::saga::Outcome;
using flotilla::saga::Passage;
using flotilla::saga::SqliteBarrier;
using flotilla::saga::StepCall;

namespace {

constexpr double kCardLimit = 1000;

std::string order_of(const StepCall& call) {
  const Value& order = call.input["order"];
  return order.is_string() ? std::string(order.as_string()) : std::string();
}

}  // namespace

Result<std::unique_ptr<ShopFile>> ShopFile::open(const std::string& path) {
  auto connection = Connection::open(path, Connection::Mode::create, "");
  if (!connection) {
    return std::unexpected(connection.error());
  }
  (*connection)->execute("PRAGMA journal_mode = WAL");
  (*connection)->execute("PRAGMA synchronous = FULL");
  (*connection)->execute("PRAGMA busy_timeout = 10000");
  (*connection)->execute("CREATE TABLE IF NOT EXISTS effects (effect TEXT NOT NULL, order_id TEXT NOT NULL)");
  if (!(*connection)->ok()) {
    return std::unexpected(flotilla::journal::sqlite::to_error((*connection)->take_error()));
  }
  std::unique_ptr<ShopFile> file(new ShopFile(*std::move(connection)));
  auto barrier = SqliteBarrier::open(file->connection_->handle());
  if (!barrier) {
    return std::unexpected(barrier.error());
  }
  file->barrier_.emplace(*std::move(barrier));
  return file;
}

Outcome ShopFile::through_barrier(const StepCall& call,
                                  const std::function<Result<SqliteBarrier::Effect>()>& effect) {
  const auto key = flotilla::saga::read_barrier_key(call.key);
  if (!key) {
    return Outcome::refused("this is no saga's key");
  }
  const std::lock_guard lock(mutex_);
  const auto passed = barrier_->run(*key, flotilla::net::wall_now(), effect);
  if (!passed) {  // rolled back, or a commit that failed: which of them, the next call finds out
    return Outcome::unknown(passed.error().message);
  }
  if (passed->kind == Passage::Kind::too_late) {
    return Outcome::refused("this step was undone before it came");
  }
  if (passed->refused) {
    return Outcome::refused(passed->answer);
  }
  return passed->kind == Passage::Kind::null_undo
             ? Outcome::done()
             : Outcome::done(flotilla::json::parse(passed->answer).value_or(Value()));
}

Outcome ShopFile::once(const StepCall& call, std::string_view effect, Value output) {
  return through_barrier(call, [&]() -> Result<SqliteBarrier::Effect> {
    connection_->prepare("INSERT INTO effects VALUES (?1, ?2)").run(effect, order_of(call));
    if (!connection_->ok()) {
      return std::unexpected(flotilla::journal::sqlite::to_error(connection_->take_error()));
    }
    return SqliteBarrier::Effect{.answer = flotilla::json::write(output)};
  });
}

Outcome ShopFile::reserve_items(const StepCall& call) {
  return once(call, "reserve", Value::object({{"reservation", "r-" + order_of(call)}}));
}
Outcome ShopFile::release_items(const StepCall& call) { return once(call, "release", {}); }

// PaymentFailed, in the words of the pattern guide.
Outcome ShopFile::charge(const StepCall& call) {
  if (call.input["total"].as_double().value_or(0) > kCardLimit) {
    return through_barrier(call,
                           [] { return SqliteBarrier::Effect{.refused = true, .answer = "payment_failed"}; });
  }
  return once(call, "charge", Value::object({{"payment", "p-" + order_of(call)}}));
}
Outcome ShopFile::refund(const StepCall& call) { return once(call, "refund", {}); }

Outcome ShopFile::create_shipment(const StepCall& call) {
  return once(call, "ship", Value::object({{"tracking", "t-" + order_of(call)}}));
}

std::int64_t ShopFile::count(const std::string& effect, const std::string& order) {
  const std::lock_guard lock(mutex_);
  auto statement = connection_->prepare("SELECT count(*) FROM effects WHERE effect = ?1 AND order_id = ?2");
  auto rows = statement.query(effect, order);
  return rows.next() ? rows.integer(0) : -1;
}

}  // namespace embedded_example
