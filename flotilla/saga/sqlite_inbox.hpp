// The inbox of a consumer of events over its own SQLite file: each event takes effect once for each
// subscription, however often it is delivered.
//
// For: C++ services that subscribe to topics and keep their data in SQLite. Other stores: docs/outbox.md. It
// is the barrier (core/barrier.hpp) of something that is never undone: a row named after the subscription and
// the event's source and id is written in the transaction of its effect, with what was answered.
// Ownership: borrows the connection, which outlives it. Threads: one at a time, as the connection. Limits:
// none of its own; forget() keeps the table small.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

struct sqlite3;

namespace flotilla::saga {

// How a delivery names its event; each as it stands in the request.
struct InboxKey {
  std::string subscription;  // Event-Subscription
  std::string source;        // ce-source
  std::string id;            // ce-id
};

class SqliteInbox {
 public:
  struct Receipt {
    bool first = false;  // it took effect now; else it had before
    std::string answer;  // what was answered then, to be answered again
  };

  // Makes the table `event_inbox` if there is none. The connection is in no transaction, and none is begun on
  // it by others during run(). Errors: the database's.
  [[nodiscard]] static Result<SqliteInbox> open(sqlite3* connection);
  SqliteInbox(SqliteInbox&&) noexcept;
  SqliteInbox& operator=(SqliteInbox&&) noexcept;
  ~SqliteInbox();

  // Calls `effect`, at most once for the event as far as it lasts, inside one transaction; it writes on the
  // same connection, neither commits nor rolls back, and gives what to answer. `now` is kept with the row,
  // for forget(). Errors, after which nothing has happened and the event may come again: an empty part of the
  // key; those of the effect (also where the business refuses); the database's.
  [[nodiscard]] Result<Receipt> run(const InboxKey& key, WallTime now,
                                    const std::function<Result<std::string>()>& effect);

  // Rows of before then, at most `most`; gives their number. What is forgotten takes effect again if it is
  // delivered again: keep 7 days, or longer than a subscription may stand still.
  [[nodiscard]] Result<std::int64_t> forget(WallTime before, std::int64_t most = 1000);

 private:
  class Rows;
  explicit SqliteInbox(std::unique_ptr<Rows> rows);
  std::unique_ptr<Rows> rows_;
};

}  // namespace flotilla::saga
