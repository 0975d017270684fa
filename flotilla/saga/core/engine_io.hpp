// What the engine is told and what it asks for: inputs and effects, as values.
//
// For: engine.hpp, and the runner that carries effects out and feeds inputs back. Each effect says what the
// runner has to do and which input answers it; the protocol as a whole is in engine.hpp.
// Ownership: plain values; requests are shared and immutable. Threads: values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/sha256.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/record.hpp"
#include "flotilla/saga/core/saga_id.hpp"
#include "flotilla/saga/core/saga_state.hpp"
#include "flotilla/saga/core/verdict.hpp"

namespace flotilla::saga {

// Both clocks, read once per input: waits go by `mono`, due times in records by `wall`.
struct Now {
  Instant mono;
  WallTime wall;
};

// Whoever asked and is to be answered by a Reply; the runner's own numbering. 0: nobody.
using Waiter = std::uint64_t;

struct StoredRecord {
  std::uint16_t type = 0;
  std::uint64_t epoch = 0;
  Millis64 time = 0;
  std::string body;
};

// Between a saga and the one nested in it; both may be in different engines. Any of them may be lost or come
// twice: whoever needs an answer asks again.
struct ChildReport {
  Parent parent;
  SagaId child;
  Phase phase = Phase::running;  // of the child
  bool suspended = false;
  json::Value result;
};
struct StartChild {
  Parent parent;
  std::string key;         // the parent step's key: starting twice finds the first
  std::string definition;  // hash
  json::Value input;
  std::string trace;
  std::string correlation;
};
// `child` may be none: then the runner finds it by the key it was started under, {child's saga name, key}.
// If nobody holds that key it was never started: the runner tells the parent ChildReport{rejected}.
struct UndoChild {
  Parent parent;
  SagaId child;
  std::string key;
};
struct ReleaseChild {
  Parent parent;
  SagaId child;
  std::string key;
};
struct AskParent {
  Parent parent;
  SagaId child;
};
// When a StartChild finds its key taken: the holder reports.
struct AskChild {
  SagaId child;
};

namespace input {

struct Submit {
  Waiter waiter = 0;
  DefinitionPtr definition;
  json::Value input;  // holds against the definition's schema
  std::string key;    // the caller's idempotency key, scoped by the runner; empty without one
  Parent parent;
  std::string trace;
  std::string correlation;
};
// The answer to effect::Append. `admitted`: its locks are held (or it asked for none). `number`, of a saga
// that was created by it: the saga's own in the journal, for ever; of two sagas with a lock in common the one
// that was accepted later has the larger. Of each later append of the saga it may be left out.
struct Appended {
  SagaId saga;
  bool admitted = true;
  std::uint64_t number = 0;
};
struct AppendFailed {
  enum class Why : std::uint8_t {
    key_taken,    // of Accepted: `holder` has the key; none: one that is not kept any more
    locked,       // of Accepted: a lock is held, and the definition says to reject then
    stale_epoch,  // another owner has taken over
    unavailable,  // the store; it may or may not have been written
  };
  SagaId saga;
  Why why = Why::unavailable;
  SagaId holder;
  bool same_input = false;  // of the holder
};
// The answer to effect::Send.
struct Answer {
  SagaId saga;
  std::uint64_t token = 0;
  AnswerHead head;
  bool held_back = false;  // with not_sent: a breaker, limit or cap of ours; it does not count as an attempt
  std::string location;    // of a 202, for polling; a path of the same service
  std::string body;
};
// A service reports the end of what it answered 202: its head's outcome, or status 200, with the body.
struct Callback {
  SagaId saga;
  StepIndex step = 0;
  Op op = Op::action;
  AnswerHead head;
  std::string body;
};
// effect::Wake is due. Early or doubled ones do no harm.
struct Timer {
  SagaId saga;
};
struct LockGranted {
  SagaId saga;
};
struct Signal {
  SagaId saga;
  Waiter waiter = 0;
  std::string id;  // of this signal; repeating it does nothing
  std::string name;
  json::Value payload;
};
struct Cancel {
  SagaId saga;
  Waiter waiter = 0;
  std::string who;
  std::string why;
};
struct Operate {
  SagaId saga;
  Waiter waiter = 0;
  Verb verb = Verb::resume;
  std::optional<StepIndex> step;  // else that of the suspension
  std::string who;
  std::string why;
  std::optional<std::uint64_t> expected_seq;  // what the person saw
  json::Value payload;                        // of set-result
  bool has_payload = true;                    // that of an undo needs none
  DefinitionPtr definition;                   // of migrate
};
// A saga of this shard that is not in memory: after taking over, after effect::Reload, or because an input
// for it has come. All its records, from the first.
struct Load {
  SagaId saga;
  std::vector<StoredRecord> records;
  bool admitted = true;      // its locks are held
  std::uint64_t number = 0;  // as Appended had it
};

}  // namespace input

using Input =
    std::variant<input::Submit, input::Appended, input::AppendFailed, input::Answer, input::Callback,
                 input::Timer, input::LockGranted, input::Signal, input::Cancel, input::Operate, input::Load,
                 ChildReport, UndoChild, ReleaseChild, AskParent, AskChild>;

namespace effect {

struct EncodedRecord {
  std::uint16_t type = 0;
  std::string body;
};
struct Event {
  std::string id;  // the same for the same record, whenever it is made
  std::string topic;
  json::Value data;
};
// Commit all of this at once, or nothing; then feed Appended or AppendFailed. At most one is under way per
// saga.
struct Append {
  SagaId saga;
  std::uint64_t expected = 0;  // the stream's version before; 0 creates it
  std::uint64_t epoch = 0;
  Millis64 time = 0;
  std::vector<EncodedRecord> records;
  // Of the batch with Accepted: claim {saga name, key} for this saga (another holder: key_taken), and the
  // locks.
  std::string claim_key;
  Sha256 claim_hash{};
  std::vector<std::string> locks;
  Locks::IfHeld if_held = Locks::IfHeld::queue;
  bool release_locks = false;  // of a terminal batch: what it holds or queues for
  std::vector<Event> events;   // published in this batch
  // Of the saga, in every batch.
  std::string definition;  // hash
  std::string key;
  std::string correlation;
  SagaId parent;                       // of a nested one
  std::vector<std::string> all_locks;  // none once it has ended
  // The row that lists show.
  std::string name;
  std::string_view state;
  std::string_view reason;                                  // of suspension or abort
  std::string step;                                         // the one it is about
  std::vector<std::pair<std::string, std::string>> search;  // attributes by which it is found
  std::optional<Duration> keep;  // of a terminal batch: until it is archived; nothing else: for ever
};
// Send this once, with no retry, redirect or hedge of the client's own, then feed Answer.
struct Send {
  SagaId saga;
  std::uint64_t token = 0;
  StepIndex step = 0;
  Op op = Op::action;
  RequestPtr request;
  std::string key;                                           // also in `headers`, quoted
  std::vector<std::pair<std::string, std::string>> headers;  // besides the request's own
  Duration timeout{0};                                       // of this attempt, from now on
};
// Feed Timer at `at`; it replaces the saga's Wake before. kNever: none.
struct Wake {
  SagaId saga;
  Instant at;
};
struct Reply {
  enum class What : std::uint8_t {
    accepted,       // of a submit: durable; of any other request: done, and durable
    existing,       // the key's first saga is `saga`
    duplicate,      // the signal was taken before
    going_on,       // compensating already
    pivot_decides,  // cancel: 202, if the pivot fails
    key_reused,     // 422: other input
    locked,         // 423
    invalid,        // 422: `detail`
    conflict,       // 409: the saga's state does not allow it, or is not the one that was seen
    overloaded,     // 503
    unavailable,    // 503: the store
  };
  Waiter waiter = 0;
  SagaId saga;
  What what = What::accepted;
  std::string detail;
};
struct Alert {
  enum class Kind : std::uint8_t {
    suspended,
    slow,            // an undo or a step that may not fail: 10 attempts or 5 minutes
    unauthorized,    // 401, 403, 407
    deadline,        // passed after the pivot was sent
    publish_failed,  // an event's expression fails: it was not published
    result_failed,   // the result's expression fails: null
    long_history,    // over kWarnRecords
    failed,          // a person ended it with residue
  };
  SagaId saga;
  Kind kind = Kind::suspended;
  std::string detail;
};
// For waiters, streams of changes and metrics: this is durable now.
struct Changed {
  SagaId saga;
  Phase phase = Phase::running;
  bool suspended = false;
};
// Hand to the engine that has the saga: the parent's or the child's.
struct Tell {
  std::variant<StartChild, UndoChild, ReleaseChild, ChildReport, AskParent, AskChild> message;
};
// The engine has dropped the saga, as after a crash: read its records after a pause and feed Load.
struct Reload {
  SagaId saga;
};
// It ended and is no longer in memory.
struct Ended {
  SagaId saga;
  std::shared_ptr<const SagaState> last = nullptr;  // none of one that never came to be
};
// Another owner has taken over: the engine holds nothing any more. Send nothing more.
struct Stop {};

}  // namespace effect

using Effect = std::variant<effect::Append, effect::Send, effect::Wake, effect::Reply, effect::Alert,
                            effect::Changed, effect::Tell, effect::Reload, effect::Ended, effect::Stop>;
using Effects = std::vector<Effect>;

}  // namespace flotilla::saga
