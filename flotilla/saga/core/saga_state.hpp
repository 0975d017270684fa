// The state of one saga: what its records say, and nothing else.
//
// For: the engine, which decides by it; readers, who are shown it; recovery. apply() is the only way it
// changes, in the running engine as in a recovering one, so the fold of a saga's records is its state.
// apply() refuses what no engine writes: such a journal was damaged or written by something else, and
// guessing would be worse than stopping.
// Not in here, because it is not durable: attempts, backoffs shorter than kLongestUnrecordedWait, who waits,
// whether locks are held (engine.hpp).
// Ownership: a value; requests, outputs and the definition are shared blocks, so copying it is cheap.
// Threads: one owner. Size: some 400 bytes and 64 a step, beside the payloads.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/record.hpp"

namespace flotilla::saga {

// A wait that is longer is recorded, so that a crash does not begin it again.
inline constexpr Duration kLongestUnrecordedWait = std::chrono::seconds(30);
inline constexpr std::size_t kMaxBufferedSignals = 256;

// `suspended` is beside it, so that it remembers from where.
enum class Phase : std::uint8_t {
  none,       // no record yet
  running,    // shown as "scheduled" until its locks are held
  committed,  // the pivot is done: only forward
  held,       // a nested saga that is done and waits for its parent's decision
  compensating,
  completed,  // from here on nothing changes
  compensated,
  failed,
  rejected,
};
[[nodiscard]] std::string_view to_string(Phase phase) noexcept;
[[nodiscard]] constexpr bool is_terminal(Phase phase) noexcept { return phase >= Phase::completed; }

struct StepState {
  enum class At : std::uint8_t {
    idle,
    exposed,  // its action may have been sent
    done,
    refused,
    unknown,
    undoing,  // its undo may have been sent
    undone,
    blocked,   // its undo was refused
    forgiven,  // a person lets its effect stand
    skipped,
    never,  // the saga aborted before anything was sent
  };
  At at = At::idle;
  Exposure::Kind kind = Exposure::Kind::request;
  std::uint16_t status = 0;
  std::uint32_t attempts = 0;
  json::Value output;
  RequestPtr request;  // of the action while exposed or unknown, of the undo while undoing or blocked
};
[[nodiscard]] std::string_view to_string(StepState::At at) noexcept;

struct TimerState {
  std::uint32_t id = 0;
  Millis64 due = 0;
  TimerUse use = TimerUse::retry;
  StepIndex step = 0;
  Op op = Op::action;
};

struct SuspendState {
  SuspendReason reason = SuspendReason::none;
  StepIndex step = 0;
  Op op = Op::action;
  std::string detail;
};

struct AbortState {
  Cause cause = Cause::none;
  StepIndex step = 0;
  std::uint16_t status = 0;
  std::string detail;
};

struct SagaState {
  DefinitionPtr definition;
  SagaId id;
  Phase phase = Phase::none;
  bool suspended = false;
  bool cancel_requested = false;
  std::uint64_t seq = 0;  // of the newest record
  std::uint64_t epoch = 0;
  Millis64 created = 0;
  Millis64 changed = 0;
  Millis64 deadline = 0;
  std::uint32_t next_timer = 1;
  std::vector<StepState> steps;
  std::vector<TimerState> timers;
  std::vector<record::Signal> signals;    // not consumed yet, oldest first
  std::vector<std::string> signals_seen;  // ids
  SuspendState suspension;
  AbortState abort;
  Parent parent;
  std::vector<std::string> locks;
  json::Value input;
  json::Value result;  // of a completed or held saga
  std::string key;
  std::string trace;
  std::string correlation;

  // The set of steps that are in one of those places.
  template <class... Ats>
  [[nodiscard]] StepSet at(Ats... places) const noexcept {
    StepSet set;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      set[i] = ((steps[i].at == places) || ...);
    }
    return set;
  }
  // Not suspended, and its actions may go on.
  [[nodiscard]] bool goes_forward() const noexcept {
    return !suspended && (phase == Phase::running || phase == Phase::committed);
  }
};

struct RecordMeta {
  std::uint64_t seq = 0;
  std::uint64_t epoch = 0;
  Millis64 time = 0;
};

// Where definitions are found by their hash. The shell keeps every one that a living saga pins.
class DefinitionSource {
 public:
  DefinitionSource() = default;
  DefinitionSource(const DefinitionSource&) = delete;
  DefinitionSource& operator=(const DefinitionSource&) = delete;
  virtual ~DefinitionSource() = default;
  // Null if there is none.
  [[nodiscard]] virtual DefinitionPtr find(std::string_view hash) const = 0;
};

// Folds one record. Errors: invalid (this record cannot follow), not_found (its definition is not there); the
// state is then not to be used.
[[nodiscard]] Result<> apply(SagaState& state, const Record& record, const RecordMeta& meta,
                             const DefinitionSource& definitions);

// Folds one exposure of the record that was folded last. apply() does it for those the record has already.
[[nodiscard]] Result<> apply_exposure(SagaState& state, const Exposure& exposure);

// Whether the effect of a step has to be undone when the saga aborts, and is not undone yet. A step is
// transparent if there is nothing to undo: a wait, `no_undo_because`, refused, skipped, never sent.
[[nodiscard]] bool needs_undo(const SagaState& state, StepIndex step) noexcept;
// Whether the step has an undo at all: a request, or a nested saga that is undone by its own reverse pass.
[[nodiscard]] bool has_undo(const Step& step) noexcept;

// The whole state as bytes; equal states have equal bytes. An optimisation of recovery and the means by which
// tests compare folds; records alone are the truth.
[[nodiscard]] std::string encode_snapshot(const SagaState& state);
[[nodiscard]] Result<SagaState> decode_snapshot(std::string_view bytes, const DefinitionSource& definitions);
// Identity of the code that makes snapshots: another one's are ignored.
inline constexpr std::uint64_t kSnapshotFold = 1;

}  // namespace flotilla::saga
