// The saga engine: step(input) -> effects. Every decision of every saga of one shard; nothing else.
//
// For: the runner (saga/), which carries the effects out. Rules of the game are those of the records
// (record.hpp), the verdicts (verdict.hpp) and the fold (saga_state.hpp); this class turns answers, timers
// and people's wishes into records, and durable records into requests.
//
// At most one append is under way per saga. Decisions are made on durable state only, so nothing can be sent
// before what allows it is durable, and a failed append needs no rollback: the saga is dropped and loaded
// again, as after a crash. What comes in while an append is under way waits in the saga's inbox; it costs a
// busy saga with parallel steps one commit more, while group commit keeps the rate of all sagas the same.
// Pipelining would save that commit and need a second, speculative state; it is not worth it.
//
// What the runner does:
//   Append      appends `records` to the saga's stream at version `expected` under `epoch`, and in the same
//               commit the claim, the locks, the events and the summary; feeds Appended, or AppendFailed.
//               Locks are LockTable's (lock_table.hpp): claim in the order of commits before Appended, and
//               say there whether they are held; release after a terminal commit, and feed LockGranted to
//               the sagas that then hold theirs. `stale_epoch` ends the engine: it answers Stop.
//   Send        sends `request` with `headers` added, once, within `timeout`, and feeds Answer with the same
//               token, whatever happens. An open breaker, a full bulkhead, a rate limit: not_sent +
//               held_back. With several owners: only while the lease outlasts `timeout`, else not_sent +
//               held_back.
//   Wake        keeps one timer per saga; feeds Timer.
//   Reply       answers the waiter. Changed: wakes those who wait for the end; state() shows it.
//   Tell        routes to the engine of the saga it names (a StartChild becomes a Submit with `parent`, its
//   key
//               and the definition of that hash); loads that saga first if it is not in memory.
//   Reload      gives up the saga's attempts in flight; after a pause of a second reads all its records,
//   feeds
//               Load.
//   Ended       forgets what it keeps for the saga. Alert: logs and counts.
// To take over: make an Engine with the store's new epoch, rebuild the LockTable from all sagas that have not
// ended in the order of their acceptance, feed Load for each (paced), and serve meanwhile: an input for a
// saga that is not in memory needs Load first, and so does one that has ended (it answers that one input, and
// is dropped again). Inputs for unknown sagas do nothing but a Reply of conflict to their waiter.
//
// Ownership: owns its sagas; the DefinitionSource must outlive it. Threads: one owner.
// Limits: kMaxInbox inputs wait per saga (then `overloaded`), kMaxBufferedSignals, kMaxPayload.
#pragma once

#include <unordered_map>

#include "flotilla/base/random.hpp"
#include "flotilla/saga/core/engine_faults.hpp"
#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/saga/core/engine_life.hpp"
#include "flotilla/saga/core/saga_key.hpp"

namespace flotilla::saga {

inline constexpr std::uint64_t kWarnRecords = 10'000;
inline constexpr std::uint64_t kMaxRecords = 50'000;  // then it is suspended, never ended

struct EngineConfig {
  KeyMaterial keys;
  std::uint64_t epoch = 1;
  std::uint64_t seed = 1;  // of jitter and ids
  // Of several engines, the one that has the sagas for which shard_of(id, shards) == shard: ids are made so.
  std::uint32_t shard = 0;
  std::uint32_t shards = 1;
  EngineFaults faults;
};

[[nodiscard]] constexpr std::uint32_t shard_of(SagaId saga, std::uint32_t shards) noexcept {
  return static_cast<std::uint32_t>(saga.low % shards);
}

class Engine {
 public:
  Engine(const EngineConfig& config, const DefinitionSource& definitions);

  [[nodiscard]] Effects step(Input input, Now now);

  // The durable state, or null if the saga is not in memory. Valid until the next step().
  [[nodiscard]] const SagaState* state(SagaId saga) const;
  // Whether it holds its locks; "scheduled" is running without.
  [[nodiscard]] bool admitted(SagaId saga) const;
  [[nodiscard]] std::size_t size() const noexcept { return lives_.size(); }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  // The whole of what the engine keeps of a saga, for checkers.
  [[nodiscard]] const Life* life(SagaId saga) const;

 private:
  // engine.cpp: routing, appends, what follows from them.
  void on(input::Submit& in);
  void on(input::Appended& in);
  void on(input::AppendFailed& in);
  void on(input::Load& in);
  // Those that may have to wait for an append.
  void route(SagaId saga, Input&& input);
  void take(Life& life, Input& input);
  void drain(Life& life);
  [[nodiscard]] Plan plan(const Life& life) const;
  void commit(Life& life, Plan&& plan);
  void make_runs(Life& life, bool loaded);
  void end(SagaId saga);

  // engine_attempts.cpp: sending, answers.
  void progress(Life& life);
  void progress_run(Life& life, Run& run);
  void send(Life& life, Run& run, Op op);
  void send_poll(Life& life, Run& run);
  void emit_send(Life& life, Run& run, RequestPtr request, Op op, Duration timeout);
  void handle(Life& life, input::Answer& in);
  void handle(Life& life, input::Callback& in);
  void on_answer(Life& life, Run& run, const AnswerHead& head, const Judgement& judged, std::string& body);
  void pend(Life& life, Run& run, const AnswerHead& head);
  void back_off(Life& life, Run& run, std::optional<Duration> retry_after, bool slowly);
  [[nodiscard]] Duration turn(const RequestPtr& request);
  [[nodiscard]] Duration timeout_of(const Life& life, const Run& run) const;
  [[nodiscard]] const Retry& retry_of(const Life& life, const Run& run) const;

  // engine_forward.cpp: what becomes of an action. engine_undo.cpp: of an undo.
  void on_action(Life& life, Run& run, const AnswerHead& head, const Judgement& judged, std::string& body);
  void action_done(Life& life, Run& run, std::uint16_t status, std::string& body);
  void action_refused(Life& life, Run& run, std::uint16_t status, std::string_view detail);
  void action_failed_for_now(Life& life, Run& run, const AnswerHead& head, const Judgement& judged);
  void action_spent(Life& life, Run& run);
  void action_unknown(Life& life, Run& run);
  void close_action(Life& life, Run& run, const AnswerHead& head, const Judgement& judged, std::string& body);
  void on_inquiry(Life& life, Run& run, const AnswerHead& head, const Judgement& judged, std::string& body);
  void on_undo(Life& life, Run& run, const AnswerHead& head, const Judgement& judged);

  // engine_time.cpp
  void handle(Life& life, input::Timer& in);
  [[nodiscard]] bool fire_due(Life& life);
  [[nodiscard]] bool pass_deadline(Life& life);
  void set_wake(Life& life);
  [[nodiscard]] Instant instant_of(Millis64 due) const;

  // engine_requests.cpp: signals, cancelling. engine_operator.cpp: people's verbs.
  void handle(Life& life, input::LockGranted& in);
  void handle(Life& life, input::Signal& in);
  void handle(Life& life, input::Cancel& in);
  void handle(Life& life, input::Operate& in);
  [[nodiscard]] std::string refuse_verb(const Life& life, const input::Operate& in, StepIndex step) const;

  // engine_nested.cpp
  void handle(Life& life, ChildReport& in);
  void handle(Life& life, UndoChild& in);
  void handle(Life& life, ReleaseChild& in);
  void handle(Life& life, AskParent& in);
  void handle(Life& life, AskChild& in);
  void send_child(Life& life, Run& run);
  void report_to_parent(const Life& life);
  void release_children(const Life& life);
  void announce(Life& life, bool moved);
  void ask_parent(Life& life);

  void reply(Waiter waiter, SagaId saga, effect::Reply::What what, std::string detail = {});
  void alert(SagaId saga, effect::Alert::Kind kind, std::string detail);
  [[nodiscard]] Millis64 wall_ms() const noexcept { return now_.wall.ns_since_epoch / 1'000'000; }

  EngineConfig config_;
  const DefinitionSource& definitions_;
  Random random_;
  std::unordered_map<SagaId, Life> lives_;
  std::uint64_t next_token_;  // never that of an owner before
  // When the next of those that a service's limits hold back may ask again; by service, of the definitions.
  std::unordered_map<std::string, Instant> next_turns_;
  bool stopped_ = false;
  // During step().
  Now now_;
  Effects effects_;
};

}  // namespace flotilla::saga
