// A plan: the records of one decision, and the state that they lead to.
//
// For: the engine, which makes one from an input, appends its records, and takes the state over when they are
// durable. Until then nothing of it is true.
// settle() adds what follows from the records by itself: steps exposed or skipped, waits that a signal ends,
// an abort, undos exposed, the end. So the exposure of a successor stands in the batch of the record that
// allows it, and a sequence of n steps needs n + 1 batches.
// Ownership: owns records and state. Threads: one owner.
#pragma once

#include <bitset>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/saga/core/engine_faults.hpp"
#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {

class Plan {
 public:
  // What the engine knows beside the records.
  struct Context {
    std::uint64_t epoch = 0;
    Millis64 time = 0;
    const DefinitionSource* definitions = nullptr;
    EngineFaults faults;
    bool admitted = true;
    StepSet open;    // steps whose action may be answered yet: it is not undone before
    StepSet unsent;  // exposed steps of which surely nothing was sent
  };

  Plan(SagaState before, Context context) : context_(context), next_(std::move(before)) {}

  // Folds the body into the state; asserts that it may follow.
  void add(RecordBody body);
  void settle();

  [[nodiscard]] const SagaState& next() const noexcept { return next_; }
  [[nodiscard]] SagaState& next() noexcept { return next_; }
  [[nodiscard]] const std::vector<Record>& records() const noexcept { return records_; }
  [[nodiscard]] bool empty() const noexcept { return records_.empty(); }
  [[nodiscard]] const Context& context() const noexcept { return context_; }

  // For the answer of a step: it is not open any more.
  void close(StepIndex step) noexcept { context_.open.reset(step); }
  void abort(Cause cause, StepIndex step = 0, std::uint16_t status = 0, std::string detail = {});
  void suspend(SuspendReason reason, StepIndex step, Op op, std::string detail);
  // Whether aborting now cannot race the pivot: it is not exposed, or surely unsent.
  [[nodiscard]] bool pivot_is_out() const noexcept;

  // To be done once the records are durable.
  std::vector<Effect> after;
  // Published with them.
  std::vector<effect::Event> events;
  std::string claim_key;
  Sha256 claim_hash{};

  // The append that makes it durable.
  [[nodiscard]] effect::Append append() const;
  void publish();

 private:
  void expose(Exposure exposure);
  [[nodiscard]] bool settle_forward();
  [[nodiscard]] bool settle_waits();
  [[nodiscard]] bool expose_ready();
  [[nodiscard]] bool expose_action(StepIndex step);
  [[nodiscard]] bool finish_forward();
  [[nodiscard]] bool abort_by_failure();
  [[nodiscard]] bool suspend_by_failure();
  [[nodiscard]] bool settle_undo();
  [[nodiscard]] bool expose_undo(StepIndex step);
  [[nodiscard]] bool blocked_by_later(StepIndex step) const;
  void publish_one(Publication::Cause cause, StepIndex step, std::uint64_t seq);

  Context context_;
  SagaState next_;
  std::vector<Record> records_;
};

}  // namespace flotilla::saga
