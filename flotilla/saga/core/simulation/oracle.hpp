// The oracle: the invariants I1-I24 of one saga, judged on its durable records and what is on the wire.
//
// For: the simulated world, which tells it of every commit and every request, in the order in which they
// happen. It has its own, simpler idea of what a saga is, so that it does not repeat the engine's mistakes;
// the fold is run beside it (I15). A violation names its invariant; the first one ends the run. Ownership: a
// value per saga. Threads: one.
#pragma once

#include <bitset>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/saga/core/saga_key.hpp"
#include "flotilla/saga/core/saga_state.hpp"
#include "flotilla/saga/core/simulation/coverage.hpp"

namespace flotilla::saga::simulation {

class Oracle {
 public:
  Oracle(const DefinitionSource& definitions, Coverage& coverage)
      : definitions_(definitions), coverage_(coverage) {}

  // A batch that has become durable. Empty, or what it violates.
  [[nodiscard]] std::string committed(const std::vector<StoredRecord>& batch);
  // An attempt; `on_wire`: some of it leaves.
  [[nodiscard]] std::string sent(const effect::Send& send, bool on_wire);

  // A definite refusal has reached the engine that sent it.
  void refused_by_answer(StepIndex step) { told_.set(step); }
  void forget_answers() { told_.reset(); }

  [[nodiscard]] const SagaState& state() const noexcept { return state_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] bool aborting() const noexcept { return aborting_; }
  // Steps whose undo was answered (or forgiven).
  [[nodiscard]] StepSet undone() const noexcept { return undone_; }
  [[nodiscard]] StepSet forgiven() const noexcept { return forgiven_; }
  [[nodiscard]] StepSet done() const noexcept { return done_; }
  [[nodiscard]] StepSet refused() const noexcept { return refused_; }
  [[nodiscard]] StepSet by_hand() const noexcept { return by_hand_; }
  [[nodiscard]] StepSet unsent() const noexcept { return unsent_; }
  [[nodiscard]] StepSet exposed() const noexcept { return exposed_; }
  [[nodiscard]] StepSet wire_action() const noexcept { return wire_action_; }

 private:
  [[nodiscard]] std::string one(const StoredRecord& stored, const Record& record);
  [[nodiscard]] std::string body(const StoredRecord& stored, const RecordBody& body);
  [[nodiscard]] std::string exposure(const Exposure& exposure);
  [[nodiscard]] std::string on_aborting(const record::Aborting& r);
  [[nodiscard]] std::string on_end(const RecordBody& body) const;
  void count_transitions(const SagaState& before, const std::vector<Record>& records);

  const DefinitionSource& definitions_;
  Coverage& coverage_;
  SagaTally* tally_ = nullptr;
  SagaState state_;  // I15: the fold of every prefix
  std::uint64_t epoch_ = 0;
  Millis64 time_ = 0;
  bool accepted_ = false;
  bool started_ = false;
  bool aborting_ = false;
  bool ended_ = false;
  bool suspended_ = false;
  bool pivot_done_ = false;
  StepSet exposed_, done_, refused_, unknown_, skipped_, unsent_, undo_exposed_, undone_, forgiven_, by_hand_;
  StepSet wire_action_, wire_undo_, told_;
  std::map<std::uint32_t, Millis64> timers_;
  std::set<std::uint32_t> fired_;
  std::set<std::string> signals_;
  std::map<std::string, std::vector<std::string>> signal_order_;
  std::map<std::string, RenderedRequest> bytes_;  // I10
};

}  // namespace flotilla::saga::simulation
