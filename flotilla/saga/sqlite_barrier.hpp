// The barrier over a service's own SQLite file: effect and rows in one transaction.
//
// For: C++ services, and functions of sagas (embedded.hpp), that keep their data in SQLite. Other stores:
// docs/barrier.md.
// Ownership: borrows the connection, which outlives it. Threads: one at a time, as the connection. Limits:
// none of its own; forget() keeps the table small.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/saga/core/barrier.hpp"

struct sqlite3;

namespace flotilla::saga {

class SqliteBarrier {
 public:
  // What an operation did, to be kept and answered again.
  struct Effect {
    bool refused = false;  // of an action: nothing, and it never will; of an undo: it is rolled back
    std::string answer;
  };

  // Makes the table `saga_barrier` if there is none. The connection is in no transaction, and none is begun
  // on it by others during run(). Errors: the database's.
  [[nodiscard]] static Result<SqliteBarrier> open(sqlite3* connection);
  SqliteBarrier(SqliteBarrier&&) noexcept;
  SqliteBarrier& operator=(SqliteBarrier&&) noexcept;
  ~SqliteBarrier();

  // Calls `effect`, at most once for the key as far as it lasts, inside one transaction; it writes on the
  // same connection and neither commits nor rolls back. `now` is kept with the rows, for forget(). Gives what
  // to answer: Passage::act with the effect's answer, or why nothing was done. Errors, after which nothing
  // has happened: those of the effect, the database's.
  [[nodiscard]] Result<Passage> run(const BarrierKey& key, WallTime now,
                                    const std::function<Result<Effect>()>& effect);

  // Rows older than a saga, its repetitions and its undo can be; 90 days are on the safe side. At most
  // `most`; gives their number.
  [[nodiscard]] Result<std::int64_t> forget(WallTime before, std::int64_t most = 1000);

 private:
  class Rows;
  explicit SqliteBarrier(std::unique_ptr<Rows> rows);
  std::unique_ptr<Rows> rows_;
};

}  // namespace flotilla::saga
