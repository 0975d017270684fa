// Healing, and what must hold when everything has ended.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {

void World::heal() {
  note("heals", {});
  healing_ = true;
  // Owners that are dead and do not know it stop for good.
  for (Owner& each : owners_) {
    if (each.epoch != epoch_) {
      each.engine.reset();
    }
  }
  schedule(std::chrono::milliseconds(1), OperatorActs{});
}

void World::check_end() {
  for (const SagaId saga : order_) {
    const Stream& stream = streams_.at(saga);
    if (!stream.oracle.ended()) {
      const SagaState& state = stream.oracle.state();
      const bool armed = current().wakes.contains(saga);
      violated(fmt::format("{}: saga {} of {} never ended: {}{}", armed || state.suspended ? "L1" : "L2",
                           saga.text(), stream.name, to_string(state.phase),
                           state.suspended ? ", suspended" : ""));
      return;
    }
    check_effects(saga, stream);  // what came late may have changed them
    check_nesting(saga, stream);
    look(saga, true);
  }
  check_orders();
  // One more input, so that the engine has let go of what ended last.
  if (current().engine->size() > 0) {
    std::size_t real = 0;
    for (const SagaId saga : order_) {
      const Life* life = current().engine->life(saga);
      real += life != nullptr && !life->visiting && !life->appending ? 1 : 0;
    }
    if (real > 0) {
      violated(fmt::format("I24: the engine keeps {} sagas that have ended", real));
    }
  }
}

// What the services' books say of a saga that has ended.
void World::check_effects(SagaId saga, const Stream& stream) {
  for (const StepIndex step : step_indices(stream.oracle.state().definition->steps.size())) {
    check_step_effects(saga, stream, step);
  }
}

void World::check_step_effects(SagaId saga, const Stream& stream, StepIndex index) {
  const SagaState& state = stream.oracle.state();
  const Step& step = state.definition->steps[index];
  const Grade grade = catalogue_.grade(step, Op::action);
  if (std::get_if<Request>(&step.action) == nullptr || grade == Grade::reads) {
    return;
  }
  const bool promised = grade != Grade::naive;
  const Ledger::Count count = ledger_.of(saga, index);
  const bool compensated = state.phase == Phase::compensated;
  if (count.effects > 1) {
    if (promised) {
      violated(fmt::format("I6: {} effects of {}", count.effects, step.name), saga);
    }
    find(Finding::Kind::twice, state.definition->name, saga, index, fmt::format("{} effects", count.effects));
  }
  if (count.undone > count.effects && promised) {
    violated(fmt::format("I6: {} was undone more often than done", step.name), saga);
  }
  if (step.undo && catalogue_.grade(step, Op::undo) == Grade::naive && count.undo_acts > count.effects) {
    find(Finding::Kind::undo_twice, state.definition->name, saga, index,
         fmt::format("{} effects, {} undos", count.effects, count.undo_acts));
  }
  const bool by_hand = stream.oracle.by_hand()[index] || stream.oracle.forgiven()[index];
  if (by_hand || count.pending) {
    return;
  }
  if (compensated && step.kind == StepKind::pivot && !step.undo && promised && count.effects > 0 &&
      stream.oracle.by_hand().none()) {
    violated(fmt::format("I9: compensated, and its pivot {} took effect", step.name), saga);
  }
  if (compensated && step.kind == StepKind::compensatable && !step.undo && count.effects > 0) {
    find(Finding::Kind::left_behind, state.definition->name, saga, index, "");
  }
  const bool undoable = step.undo.has_value() && stream.oracle.exposed()[index];
  if (!promised) {
    if (compensated && undoable && count.effects > count.undone) {
      find(Finding::Kind::not_undone, state.definition->name, saga, index,
           fmt::format("{} effects, {} undone", count.effects, count.undone));
    }
    return;
  }
  if (state.phase == Phase::completed && stream.oracle.done()[index] &&
      (count.effects != 1 || count.undone != 0)) {
    violated(fmt::format("I5: completed, and {} has {} effects, {} undone", step.name, count.effects,
                         count.undone),
             saga);
  }
  if (compensated && undoable && count.effects != count.undone) {
    violated(fmt::format("I4: {} compensated, and {} has {} effects, {} undone", saga.text(), step.name,
                         count.effects, count.undone),
             saga);
  }
  if (state.phase == Phase::rejected && count.effects != 0) {
    violated("S4b: rejected, and a service acted", saga);
  }
}

void World::find(Finding::Kind kind, const std::string& name, SagaId saga, StepIndex step,
                 std::string detail) {
  if (!found_.emplace(kind, saga, step).second) {
    return;
  }
  Finding& finding = coverage_.findings[{kind, name, step}];
  if (finding.sagas++ == 0) {
    finding.seed = config_.seed;
    finding.saga = saga;
    finding.detail = std::move(detail);
  }
}

// Saga-Seq: one number for all requests of a saga, larger than that of every holder of its locks before it.
void World::check_lock_seq(const effect::Send& send, const Stream& stream) {
  const auto header =
      std::ranges::find(send.headers, "saga-seq", &std::pair<std::string, std::string>::first);
  if ((header != send.headers.end()) != !stream.locks.empty()) {
    violated("I21: Saga-Seq is for the requests of sagas that hold locks, and for all of them", send.saga);
    return;
  }
  for (const std::string& lock : stream.locks) {
    const auto seq = parse_int<std::uint64_t>(header->second);
    const auto [last, fresh] =
        lock_seqs_.try_emplace(lock, LockSeq{.holder = send.saga, .seq = seq.value_or(0)});
    if (!seq || (last->second.holder == send.saga && last->second.seq != *seq)) {
      violated("I10: another Saga-Seq than the saga had", send.saga);
      return;
    }
    if (last->second.holder != send.saga && last->second.seq >= *seq) {
      violated(fmt::format("I21: Saga-Seq {} of lock {} follows {}", *seq, lock, last->second.seq),
               send.saga);
      return;
    }
    last->second = {.holder = send.saga, .seq = *seq};
  }
}

void World::check_nesting(SagaId saga, const Stream& stream) {
  if (stream.parent.is_none()) {
    return;
  }
  const auto parent = streams_.find(stream.parent.saga);
  if (parent == streams_.end()) {
    violated("I23: a child without a parent");
    return;
  }
  const Oracle& up = parent->second.oracle;
  const SagaState& state = stream.oracle.state();
  if (state.definition->pivot || up.by_hand()[stream.parent.step] || up.state().phase == Phase::failed) {
    return;
  }
  const bool undone = up.undone()[stream.parent.step];
  if (up.state().phase == Phase::completed && state.phase != Phase::completed &&
      up.done()[stream.parent.step]) {
    violated(
        fmt::format("I23: the parent completed, its child {} is {}", saga.text(), to_string(state.phase)));
  }
  if (undone && state.phase == Phase::completed) {
    violated(fmt::format("I23: the parent undid its child {}, which is completed", saga.text()));
  }
}

// I15: the fold of the durable records is what the engine goes by.
void World::check_fold(SagaId saga, const Stream& stream, const Engine& engine) {
  const SagaState* live = engine.state(saga);
  const Life* life = engine.life(saga);
  if (live == nullptr || life == nullptr || life->appending || live->seq != stream.records.size()) {
    return;
  }
  const std::string bytes = encode_snapshot(*live);
  if (bytes != encode_snapshot(stream.oracle.state())) {
    violated("I15: the live state is not the fold of its records");
    return;
  }
  const auto read = decode_snapshot(bytes, catalogue_);
  if (!read || encode_snapshot(*read) != bytes) {
    violated("I15: a snapshot does not come back");
  }
}

}  // namespace flotilla::saga::simulation
