// What the engine keeps of a saga beside its durable state: operations under way, the append, what waits.
//
// For: the files of the engine. All of it may be lost at any instant; recovery makes it anew.
// Ownership: the engine's. Threads: the engine's. Limits: one Run per exposed step; kMaxInbox inputs wait.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/saga/core/plan.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kMaxInbox = 64;

// One operation: a step's action or undo, from its exposure to its verdict.
struct Run {
  enum class At : std::uint8_t {
    ready,      // may be sent
    in_flight,  // an attempt is
    backoff,    // until `due`, or until its recorded timer fires
    pending,    // the service is at work on it: polled at `due`, or called back
    polling,    // a poll is in flight
    inquire,    // the effect is unknown, and a status query may tell: at `due`
    inquiring,  // it is in flight
    closing,    // of an aborted saga: an owner before us may have sent it just now; ends at `due`
  };
  StepIndex step = 0;
  Op op = Op::action;
  At at = At::ready;
  bool from_before = false;      // exposed before this engine had the saga: it may have been sent
  bool earlier_unknown = false;  // an attempt, or an owner before us, may have had its effect
  bool on_wire = false;          // an attempt of ours may have reached the wire
  bool alerted = false;
  bool held_back = false;    // the last attempt, by ourselves
  std::uint16_t status = 0;  // of the last answer
  std::uint32_t attempts = 0;
  std::uint32_t sends = 0;  // with polls and those held back; for Saga-Attempt
  std::uint32_t inquiries = 0;
  std::uint64_t token = 0;  // of what is in flight
  Instant due = kNever;
  Instant first = kNever;       // the first attempt
  Instant open_until = kNever;  // of pending: then its effect is unknown
  Instant quiet_at{};           // of from_before: when nothing of an owner before can arrive any more
  std::string location;         // to poll

  [[nodiscard]] bool is_open() const noexcept {
    return at == At::in_flight || at == At::pending || at == At::polling || at == At::closing;
  }
};

struct Life {
  SagaState state;
  std::vector<Run> runs;
  std::unique_ptr<Plan> appending;
  std::deque<Input> inbox;
  Instant wake = kNever;
  bool admitted = true;
  bool deadline_alerted = false;
  bool visiting = false;     // it has ended, and is here to answer one input
  Instant held_asked{};      // when to ask the parent next
  std::uint64_t number = 0;  // the saga's in the journal, which is the order of its admission: Saga-Seq

  [[nodiscard]] Run* find(StepIndex step, Op op) noexcept {
    for (Run& run : runs) {
      if (run.step == step && run.op == op) {
        return &run;
      }
    }
    return nullptr;
  }
  void erase(StepIndex step, Op op) {
    std::erase_if(runs, [&](const Run& run) { return run.step == step && run.op == op; });
  }
};

}  // namespace flotilla::saga
