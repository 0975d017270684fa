#include "flotilla/saga/core/simulation/oracle.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::saga::simulation {
namespace {

const std::string kFine;

template <class T>
const T* as(const RecordBody& body) {
  return std::get_if<T>(&body);
}

}  // namespace

std::string Oracle::committed(const std::vector<StoredRecord>& batch) {
  const SagaState before = state_;
  std::vector<Record> records;
  for (const StoredRecord& stored : batch) {
    auto record = decode(stored.type, stored.body);
    if (!record) {
      return "a record cannot be read: " + record.error().message;
    }
    if (ended_) {
      return "I12: a record after the end";
    }
    if (stored.epoch < epoch_) {
      return "I14: the epoch goes back";
    }
    epoch_ = stored.epoch;
    time_ = stored.time;
    if (const auto folded =
            apply(state_, *record, {.seq = state_.seq + 1, .epoch = stored.epoch, .time = stored.time},
                  definitions_);
        !folded) {
      return "I15: " + folded.error().message;
    }
    if (std::string wrong = one(stored, *record); !wrong.empty()) {
      return fmt::format("{} (record {}, {})", wrong, state_.seq, record_name(stored.type));
    }
    records.push_back(*std::move(record));
  }
  count_transitions(before, records);
  return kFine;
}

std::string Oracle::one(const StoredRecord& stored, const Record& record) {
  if (std::string wrong = body(stored, record.body); !wrong.empty()) {
    return wrong;
  }
  for (const Exposure& each : record.exposed) {
    if (std::string wrong = exposure(each); !wrong.empty()) {
      return wrong;
    }
  }
  return kFine;
}

std::string Oracle::body(const StoredRecord& stored, const RecordBody& body) {
  if (as<record::Accepted>(body) != nullptr) {
    if (accepted_) {
      return "I13: accepted twice";
    }
    accepted_ = true;
  } else if (const auto* done = as<record::StepDone>(body)) {
    if (done_[done->step]) {
      return "I5: a step is done twice";
    }
    done_.set(done->step);
    pivot_done_ |= state_.definition->pivot == done->step;
    if (!done->signal.empty()) {
      auto& waiting = signal_order_[std::get<SignalWait>(state_.definition->steps[done->step].action).signal];
      if (waiting.empty() || waiting.front() != done->signal) {
        return "I19: signals out of order";
      }
      waiting.erase(waiting.begin());
    }
  } else if (const auto* refused = as<record::StepRefused>(body)) {
    refused_.set(refused->step);
  } else if (const auto* unknown = as<record::StepUnknown>(body)) {
    unknown_.set(unknown->step);
  } else if (const auto* aborting = as<record::Aborting>(body)) {
    return on_aborting(*aborting);
  } else if (const auto* undone = as<record::StepUndone>(body)) {
    if (undone_[undone->step]) {
      return "I4: a step is undone twice";
    }
    undone_.set(undone->step);
  } else if (const auto* timer = as<record::TimerSet>(body)) {
    timers_[timer->id] = timer->due;
  } else if (const auto* fired = as<record::TimerFired>(body)) {
    if (!timers_.contains(fired->id) || !fired_.insert(fired->id).second) {
      return "I19: a timer takes effect twice";
    }
    if (stored.time < timers_[fired->id]) {
      return "I19: a timer is early";
    }
  } else if (const auto* signal = as<record::Signal>(body)) {
    const std::string id = signal->id.substr(0, signal->id.find('#') + 2);  // the sender's: NAME#n
    if (!signals_.insert(id).second) {
      return "I19: a signal is taken twice";
    }
    signal_order_[signal->name].push_back(signal->id);
  } else if (const auto* suspended = as<record::Suspended>(body)) {
    suspended_ = true;
    if (suspended->reason == SuspendReason::none) {
      return "I22: suspended without a reason";
    }
  } else if (as<record::Resumed>(body) != nullptr) {
    suspended_ = false;
  } else if (const auto* verb = as<record::Operator>(body)) {
    by_hand_.set(verb->step);
    told_.reset();
    if (verb->verb == Verb::set_result && verb->op == Op::action) {
      done_.set(verb->step);
      pivot_done_ |= state_.definition->pivot == verb->step;
    } else if (verb->verb == Verb::forgive || verb->verb == Verb::set_result) {
      forgiven_.set(verb->step);
    } else if (verb->verb == Verb::retry) {
      refused_.reset(verb->step);
    }
  } else {
    return on_end(body);
  }
  return kFine;
}

std::string Oracle::on_aborting(const record::Aborting& r) {
  if (aborting_) {
    return "it aborts twice";
  }
  aborting_ = true;
  if (pivot_done_) {
    return "I9: an abort after the pivot was done";
  }
  const auto pivot = state_.definition->pivot;
  const bool by_others = r.cause == Cause::deadline || r.cause == Cause::cancel || r.cause == Cause::parent;
  if (by_others && pivot && wire_action_[*pivot] && !refused_[*pivot] && !done_[*pivot]) {
    return "I9: an abort races the pivot";
  }
  unsent_ = StepSet(r.unsent);
  if ((unsent_ & wire_action_).any()) {
    return "I3: a step listed unsent was on the wire";
  }
  if (r.cause == Cause::step && !refused_[r.step] && !unknown_[r.step]) {
    return "I17: an abort for a step that neither refused nor is unknown";
  }
  return kFine;
}

std::string Oracle::on_end(const RecordBody& body) const {
  const Definition& definition = *state_.definition;
  if (as<record::Completed>(body) != nullptr || as<record::Held>(body) != nullptr) {
    if ((done_ | skipped_).count() != definition.steps.size()) {
      return "I5: completed, and a step is not done";
    }
    if (aborting_) {
      return "I5: completed after an abort";
    }
  } else if (as<record::Compensated>(body) != nullptr) {
    for (std::size_t i = 0; i < definition.steps.size(); ++i) {
      const bool had_effect = exposed_[i] && !refused_[i] && !unsent_[i];
      if (had_effect && has_undo(definition.steps[i]) && !undone_[i] && !forgiven_[i]) {
        return fmt::format("I4: compensated, and step {} is not undone", definition.steps[i].name);
      }
    }
  } else if (as<record::Rejected>(body) != nullptr && wire_action_.any()) {
    return "S4b: rejected, and something was sent";
  }
  return kFine;
}

std::string Oracle::exposure(const Exposure& exposure) {
  const Step& step = state_.definition->steps[exposure.step];
  if (exposure.op == Op::undo) {
    if (!aborting_) {
      return "I2: an undo is exposed without an abort";
    }
    if (!exposed_[exposure.step] || refused_[exposure.step] || skipped_[exposure.step] ||
        unsent_[exposure.step]) {
      return "I3: an undo of what has no effect is exposed";
    }
    undo_exposed_.set(exposure.step);
    return kFine;
  }
  if (aborting_) {
    return "I1: a step is exposed after the abort";
  }
  if ((step.after & ~(done_ | skipped_)).any()) {
    return "I8: a step is exposed before its predecessors are done";
  }
  if (exposure.kind == Exposure::Kind::skip) {
    skipped_.set(exposure.step);
  } else {
    exposed_.set(exposure.step);
  }
  return kFine;
}

std::string Oracle::sent(const effect::Send& send, bool on_wire) {
  const StepIndex step = send.step;
  if (!accepted_) {
    return "I13: something is sent of a saga that is not durable";
  }
  if (ended_) {
    return "I12: something is sent after the end";
  }
  if (send.op == Op::status) {
    return kFine;
  }
  const auto [known, fresh] = bytes_.try_emplace(send.key, *send.request);
  if (!fresh && known->second != *send.request) {
    return "I10: other bytes under the same key";
  }
  if (send.op == Op::action) {
    if (!started_) {
      started_ = true;
      coverage_.count(Transition::s4);
    }
    if (aborting_) {
      return "I1: an action is sent after the abort";
    }
    if (!exposed_[step]) {
      return "I8: an action is sent before it is exposed";
    }
    if (refused_[step] || told_[step]) {
      return "I17: a refused action is sent again";
    }
    wire_action_[step] = wire_action_[step] || on_wire;
    return kFine;
  }
  if (!aborting_) {
    return "I2: an undo is sent without an abort";
  }
  if (pivot_done_) {
    return "I9: an undo after the pivot was done";
  }
  if (!undo_exposed_[step] || refused_[step] || unsent_[step] || skipped_[step]) {
    return "I3: an undo is sent of what has no effect";
  }
  const StepSet later = state_.definition->steps[step].descendants;
  for (std::size_t i = 0; i < state_.steps.size(); ++i) {
    const bool had_effect =
        exposed_[i] && !refused_[i] && !unsent_[i] && has_undo(state_.definition->steps[i]);
    if (later[i] && had_effect && !undone_[i] && !forgiven_[i]) {
      return fmt::format("I7: {} is undone before {}", state_.definition->steps[step].name,
                         state_.definition->steps[i].name);
    }
  }
  wire_undo_.set(step);
  return kFine;
}

void Oracle::count_transitions(const SagaState& before, const std::vector<Record>& records) {
  using enum Transition;
  if (tally_ == nullptr) {
    tally_ = &coverage_.tallies[state_.definition->name];
  }
  for (const Record& record : records) {
    const RecordBody& b = record.body;
    tally_->count(record, *state_.definition);
    if (as<record::Accepted>(b) != nullptr) {
      coverage_.count(s1);
    } else if (const auto* done = as<record::StepDone>(b)) {
      coverage_.count(state_.definition->pivot == done->step ? s6 : s5);
    } else if (const auto* refused = as<record::StepRefused>(b);
               refused != nullptr && before.phase == Phase::committed) {
      coverage_.count(s13);
    } else if (const auto* abort = as<record::Aborting>(b)) {
      coverage_.count(abort->cause == Cause::deadline ? s10
                      : abort->cause == Cause::cancel ? s11
                      : abort->cause == Cause::parent ? s23
                      : unknown_[abort->step]         ? s8
                                                      : s7);
    } else if (as<record::CancelRequested>(b) != nullptr) {
      coverage_.count(s11b);
    } else if (const auto* suspended = as<record::Suspended>(b)) {
      if (suspended->reason == SuspendReason::pivot_unknown) {
        coverage_.count(s9);
      }
    } else if (as<record::StepUndone>(b) != nullptr) {
      coverage_.count(s15);
    } else if (as<record::UndoBlocked>(b) != nullptr) {
      coverage_.count(s16);
    } else if (as<record::Compensated>(b) != nullptr) {
      coverage_.count(s17);
    } else if (as<record::Completed>(b) != nullptr) {
      coverage_.count(before.phase == Phase::held ? s22 : s18);
    } else if (const auto* verb = as<record::Operator>(b)) {
      coverage_.count(verb->verb == Verb::fail ? s20 : s19);
    } else if (as<record::Held>(b) != nullptr) {
      coverage_.count(s21);
    } else if (as<record::Rejected>(b) != nullptr) {
      coverage_.count(s4b);
    }
  }
  ended_ = is_terminal(state_.phase);
}

}  // namespace flotilla::saga::simulation
