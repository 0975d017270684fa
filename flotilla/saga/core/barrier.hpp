// The barrier of a service that takes part in sagas: each action and each undo takes effect at most once, an
// undo of what never came does nothing, and an action that comes after its undo does nothing either.
//
// For: services, behind their Idempotency-Key (docs/barrier.md has the same in SQL); sqlite_barrier.hpp,
// which runs it over a service's SQLite file. The one idea: a row for each operation of a step is written in
// the same transaction as what the operation does. An undo first writes the *action's* row itself: if it can,
// the action has never taken effect, and now never will. Everything between enter() and leave(), and the
// effect itself, stands in one transaction of the service's own store; rolled back, nothing of it has
// happened. Operations of one step must not run beside each other: a transaction that inserts the same row
// waits for the first (PostgreSQL, MySQL), or for the file (SQLite). Ownership: values; the store is
// borrowed. Threads: the caller's. Limits: an answer is kept whole, so the service bounds its answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/saga/core/verdict.hpp"

namespace flotilla::saga {

struct BarrierKey {
  std::string step;  // "sg1-<ULID>-<step>": the same for an action and its undo
  Op op = Op::action;
  friend bool operator==(const BarrierKey&, const BarrierKey&) = default;
};

// From an Idempotency-Key, quoted or bare: "sg1-<ULID>-<step>-<a|c|q>-<mac>". Nothing for a key that is no
// saga's. The mac is not checked, its secret is the sagas' own: the key says what is meant, not who asks.
[[nodiscard]] std::optional<BarrierKey> read_barrier_key(std::string_view idempotency_key);

struct BarrierRow {
  enum class State : std::uint8_t {
    done,     // it took effect; `answer` is what was answered
    refused,  // an action that was refused for good
    blocked,  // an action that did not come before its undo, and may not come any more
  };
  State state = State::done;
  std::string answer;
};
// "done", "refused", "blocked".
[[nodiscard]] std::string_view to_string(BarrierRow::State state) noexcept;
[[nodiscard]] std::optional<BarrierRow::State> parse_barrier_state(std::string_view text) noexcept;

// Rows by (step, op), in the service's transaction. Errors: the store's; then roll back.
class BarrierStore {
 public:
  BarrierStore() = default;
  BarrierStore(const BarrierStore&) = delete;
  BarrierStore& operator=(const BarrierStore&) = delete;
  virtual ~BarrierStore() = default;

  // False, and nothing changed, if there is one.
  [[nodiscard]] virtual Result<bool> insert(const BarrierKey& key, const BarrierRow& row) = 0;
  [[nodiscard]] virtual Result<std::optional<BarrierRow>> find(const BarrierKey& key) = 0;
  // Of a row that exists.
  [[nodiscard]] virtual Result<> update(const BarrierKey& key, const BarrierRow& row) = 0;
};

struct Passage {
  enum class Kind : std::uint8_t {
    act,        // do it now, then leave()
    replay,     // it was answered before, with `answer`
    too_late,   // an action after its undo: refuse it, for good
    null_undo,  // the undo of what never took effect: done, with nothing to do
  };
  Kind kind = Kind::act;
  bool refused = false;  // of replay: the answer was a refusal
  std::string answer;
};

// Asserts that the operation is an action or an undo: a status query changes nothing and needs no barrier.
[[nodiscard]] Result<Passage> enter(BarrierStore& store, const BarrierKey& key);

// After Passage::act, what was answered. `refused`: the action did nothing and never will, which must last as
// well: a copy of the request may still be on its way, and the saga goes on believing the refusal. An undo
// that is refused is rolled back instead, so that it can be tried again.
[[nodiscard]] Result<> leave(BarrierStore& store, const BarrierKey& key, bool refused, std::string answer);

}  // namespace flotilla::saga
