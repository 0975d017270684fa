// The simulated journal and its owners: commits, crashes, taking over.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {

std::optional<input::AppendFailed> World::refuse(const CommitDue& due) {
  using Why = input::AppendFailed::Why;
  const effect::Append& append = due.append;
  if (due.epoch != epoch_) {
    return input::AppendFailed{.saga = append.saga, .why = Why::stale_epoch};
  }
  const auto stream = streams_.find(append.saga);
  const std::size_t version = stream == streams_.end() ? 0 : stream->second.records.size();
  if (version != append.expected) {
    violated("I14: an append at the wrong version");
  }
  if (!append.claim_key.empty()) {
    const auto taken = claims_.find(append.name + "\n" + append.claim_key);
    if (taken != claims_.end()) {
      return input::AppendFailed{.saga = append.saga,
                                 .why = Why::key_taken,
                                 .holder = taken->second.first,
                                 .same_input = taken->second.second == append.claim_hash};
    }
  }
  if (!append.locks.empty() && append.if_held == Locks::IfHeld::reject &&
      !current().locks.is_free(append.locks)) {
    return input::AppendFailed{.saga = append.saga, .why = Why::locked};
  }
  return std::nullopt;
}

void World::on(CommitDue& due) {
  Owner* at = owner(due.epoch);
  if (at == nullptr) {
    return;  // it died first; the crash has decided what became of it
  }
  const SagaId saga = due.append.saga;
  if (due.epoch != epoch_) {
    count_crash(due.append, false);  // its owner is dead and does not know it
  }
  auto failed = refuse(due);
  const bool trouble = !failed && chance(odds_.fail_store);
  const bool written = !failed && (!trouble || random_.below(2) == 0);
  if (written) {
    write(*at, due.append);
  }
  if (trouble) {
    failed = input::AppendFailed{.saga = saga, .why = input::AppendFailed::Why::unavailable};
  }
  const bool admitted = at->locks.holds(saga) || (streams_.contains(saga) && streams_.at(saga).locks.empty());
  schedule(some(std::chrono::milliseconds(1)), CommitKnown{.epoch = due.epoch,
                                                           .saga = saga,
                                                           .failed = failed,
                                                           .admitted = admitted,
                                                           .number = written ? streams_.at(saga).number : 0});
}

void World::on(CommitKnown& known) {
  Owner* at = owner(known.epoch);
  if (at == nullptr) {
    return;
  }
  if (known.failed) {
    feed(known.epoch, *known.failed);
    return;
  }
  feed(known.epoch, input::Appended{.saga = known.saga,
                                    .admitted = known.admitted || at->locks.holds(known.saga),
                                    .number = known.number});
  const auto stream = streams_.find(known.saga);
  if (at->engine && stream != streams_.end() && outcome_.violation.empty()) {
    if (!known.admitted && at->engine->admitted(known.saga) && !at->locks.holds(known.saga) &&
        !stream->second.locks.empty()) {
      violated("I21: a saga goes on without its locks");
    }
    if (random_.below(16) == 0) {
      check_fold(known.saga, stream->second, *at->engine);
    }
  }
}

// Durable from here on.
void World::write(Owner& owner, effect::Append& append) {
  const bool created = append.expected == 0;
  auto [place, fresh] = streams_.try_emplace(append.saga, catalogue_, coverage_);
  Stream& stream = place->second;
  std::vector<StoredRecord> batch;
  for (effect::EncodedRecord& record : append.records) {
    note(fmt::format("durable {}", record_name(record.type)), append.saga);
    batch.push_back(
        {.type = record.type, .epoch = append.epoch, .time = append.time, .body = std::move(record.body)});
  }
  if (std::string wrong = stream.oracle.committed(batch); !wrong.empty()) {
    violated(wrong);
    return;
  }
  std::ranges::copy(batch, std::back_inserter(stream.records));
  if (const SuspendState& why = stream.oracle.state().suspension;
      stream.oracle.state().suspended && why.reason == SuspendReason::cannot_render) {
    find(Finding::Kind::no_text, append.name, append.saga, why.step, why.detail);
  }
  for (const effect::Event& event : append.events) {
    if (event.id.find(append.saga.text()) != 0 || event.topic.empty()) {
      violated("I20: an event that is not of this saga");
    }
    ++stream.published;
  }
  if (created) {
    order_.push_back(append.saga);
    stream.number = order_.size();
    ++coverage_.sagas;
    stream.locks = append.locks;
    stream.name = append.name;
    stream.parent = stream.oracle.state().parent;
    if (!append.claim_key.empty()) {
      claims_[append.name + "\n" + append.claim_key] = {append.saga, append.claim_hash};
    }
    if (!append.locks.empty() && !append.release_locks) {
      (void)owner.locks.claim(append.saga, append.locks);
    }
  }
  if (append.release_locks) {
    for (const SagaId granted : owner.locks.release(append.saga)) {
      schedule(some(std::chrono::milliseconds(1)), Granted{.epoch = append.epoch, .saga = granted});
    }
    if (outcome_.violation.empty() && stream.oracle.ended()) {
      check_effects(append.saga, stream);
    }
  }
}

void World::count_crash(const effect::Append& append, bool durable) {
  for (const effect::EncodedRecord& record : append.records) {
    ++coverage_.crashes[record.type - 1U][durable ? 1 : 0];
  }
}

// The owner dies; what it was about to commit is lost, or is durable and nobody was told.
void World::on(Crash& /*crash*/) {
  ++coverage_.crashed;
  Owner& dying = current();
  note("crash", {});
  const bool zombie = chance(odds_.zombie);
  if (!zombie) {
    std::priority_queue<Due> rest = queue_;
    std::vector<std::uint32_t> slots;
    for (; !rest.empty(); rest.pop()) {
      slots.push_back(rest.top().slot);
    }
    for (const std::uint32_t slot : slots) {
      if (auto* known = std::get_if<CommitKnown>(&slots_[slot]);
          known != nullptr && known->epoch == dying.epoch && !known->failed) {
        const auto stream = streams_.find(known->saga);
        if (stream != streams_.end() && !stream->second.records.empty()) {
          ++coverage_.crashes[stream->second.records.back().type - 1U][1];
        }
      }
      auto* due = std::get_if<CommitDue>(&slots_[slot]);
      if (due == nullptr || due->epoch != dying.epoch) {
        continue;
      }
      const bool durable = !chance(odds_.lose_commit) && !refuse(*due);
      count_crash(due->append, durable);
      if (durable) {
        effect::Append append = due->append;
        write(dying, append);
      }
    }
  }
  take_over(zombie);
}

void World::take_over(bool old_one_lives) {
  if (!owners_.empty() && !old_one_lives) {
    owners_.back().engine.reset();
  }
  std::erase_if(owners_, [](const Owner& each) { return !each.engine; });
  ++epoch_;
  Owner next;
  next.epoch = epoch_;
  next.engine = std::make_unique<Engine>(
      EngineConfig{.keys = keys_, .epoch = epoch_, .seed = random_.next(), .faults = config_.faults},
      catalogue_);
  for (auto& [saga, stream] : streams_) {
    stream.oracle.forget_answers();
  }
  Duration pause(0);
  for (const SagaId saga : order_) {
    const Stream& stream = streams_.at(saga);
    if (stream.oracle.ended()) {
      continue;
    }
    if (!stream.locks.empty()) {
      (void)next.locks.claim(saga, stream.locks);
    }
    pause += some(std::chrono::milliseconds(2));
    schedule(pause, LoadDue{.epoch = epoch_, .saga = saga});
  }
  owners_.push_back(std::move(next));
}

input::Load World::load_of(SagaId saga) {
  const Stream& stream = streams_.at(saga);
  return {.saga = saga,
          .records = stream.records,
          .admitted = stream.locks.empty() || current().locks.holds(saga),
          .number = stream.number};
}

void World::on(LoadDue& load) {
  Owner* at = owner(load.epoch);
  if (at == nullptr || load.epoch != epoch_ || !streams_.contains(load.saga)) {
    return;
  }
  const Stream& stream = streams_.at(load.saga);
  if (at->engine->life(load.saga) != nullptr || stream.oracle.ended()) {
    return;
  }
  feed(load.epoch, load_of(load.saga));
  if (Owner* still = owner(load.epoch)) {
    check_fold(load.saga, stream, *still->engine);
  }
}

}  // namespace flotilla::saga::simulation
