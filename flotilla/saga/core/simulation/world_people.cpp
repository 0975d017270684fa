// Clients who submit, signal and cancel; operators who look after what is suspended.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {
namespace {

using What = effect::Reply::What;

}  // namespace

void World::submit() {
  const auto& all = catalogue_.submitted();
  const DefinitionPtr definition = all[random_.below(all.size())];
  json::Value input = catalogue_.stubs(*definition).input(random_);
  std::string key;
  if (random_.below(2) == 0) {
    key = fmt::format("key-{}", random_.below(8));
    const auto claim = claims_.find(definition->name + "\n" + key);
    if (claim != claims_.end() && random_.below(2) == 0) {
      input = streams_.at(claim->second.first).oracle.state().input;  // a client that repeats itself
    }
  }
  const Waiter waiter = next_waiter_++;
  waiters_[waiter] = {.key = key.empty() ? "" : definition->name + "\n" + key,
                      .definition = definition->name,
                      .input = json::write(input),
                      .what = 's',
                      .saga = {},
                      .recorded = ask(Asking::start, {}, key.empty() ? "" : definition->name + "\n" + key,
                                      json::write(input))};
  feed(epoch_, input::Submit{.waiter = waiter,
                             .definition = definition,
                             .input = input,
                             .key = std::move(key),
                             .parent = {},
                             .trace = {},
                             .correlation = {}});
}

// One that the saga waits for now, or may wait for.
std::string World::some_signal(SagaId saga) {
  const SagaState& state = streams_.at(saga).oracle.state();
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < state.steps.size(); ++i) {
    const auto* wait = std::get_if<SignalWait>(&state.definition->steps[i].action);
    const bool now = state.steps[i].at == StepState::At::exposed;
    if (wait != nullptr && (now || (!healing_ && state.steps[i].at == StepState::At::idle))) {
      names.emplace_back(wait->signal);
    }
  }
  return names.empty() ? std::string() : std::string(names[random_.below(names.size())]);
}

json::Value World::payload_of(SagaId saga, std::string_view signal) {
  const Definition& definition = *streams_.at(saga).oracle.state().definition;
  for (const StepIndex step : step_indices(definition.steps.size())) {
    const auto* wait = std::get_if<SignalWait>(&definition.steps[step].action);
    if (wait != nullptr && wait->signal == signal) {
      const auto payload = json::parse(catalogue_.stubs(definition).answer(step, random_.next()));
      return payload ? *payload : json::Value();
    }
  }
  return {};
}

void World::on(ClientActs& /*acts*/) {
  if (healing_) {
    return;
  }
  schedule(some(std::chrono::milliseconds(400)) * pace_, ClientActs{});
  if (order_.empty() || random_.below(4) == 0) {
    submit();
  }
  if (order_.empty()) {
    return;
  }
  read_one();
  // The newest sagas are the likeliest to be alive.
  const std::size_t back = random_.below(std::min<std::size_t>(order_.size(), 8));
  const SagaId saga = order_[order_.size() - 1 - back];
  const Waiter waiter = next_waiter_++;
  const auto visit = [&] {
    if (current().engine->life(saga) == nullptr) {
      feed(epoch_, load_of(saga));
    }
  };
  const std::string signal = some_signal(saga);
  if (!signal.empty() && chance(odds_.signal)) {
    note("a signal comes: " + signal, saga);
    const std::uint64_t number = random_.below(4) == 0 ? next_signal_ : ++next_signal_;
    std::string id = fmt::format("{}#{}", number, saga.low % 10);
    waiters_[waiter] = {.what = 'g', .saga = saga, .recorded = ask(Asking::signal, saga, {}, id)};
    visit();
    feed(epoch_, input::Signal{.saga = saga,
                               .waiter = waiter,
                               .id = std::move(id),
                               .name = signal,
                               .payload = payload_of(saga, signal)});
  } else if (chance(odds_.cancel)) {
    waiters_[waiter] = {.what = 'c', .saga = saga, .recorded = ask(Asking::cancel, saga, {}, {})};
    note("a client cancels", saga);
    visit();
    feed(epoch_, input::Cancel{.saga = saga, .waiter = waiter, .who = "client", .why = "changed my mind"});
  }
}

// I16: what a reader has seen of a saga is durable, and nobody sees less afterwards.
void World::read_one() {
  const SagaId saga = order_[order_.size() - 1 - random_.below(std::min<std::size_t>(order_.size(), 8))];
  const std::uint64_t durable = streams_.at(saga).records.size();
  const SagaState* live = current().engine->state(saga);
  const std::uint64_t seen = live == nullptr ? durable : live->seq;
  std::uint64_t& before = read_[saga];
  if (seen > durable) {
    violated("I16: a reader sees what is not durable", saga);
  } else if (seen < before) {
    violated("I16: a reader sees less than before", saga);
  }
  before = seen;
  look(saga, false);
}

void World::on_reply(const effect::Reply& reply) {
  const auto found = waiters_.find(reply.waiter);
  if (found == waiters_.end()) {
    violated("a waiter is answered twice");
    return;
  }
  const Asked asked = found->second;
  waiters_.erase(found);
  tell(asked.recorded,
       told_by(reply.what, asked.what == 's'   ? Asking::start
                           : asked.what == 'c' ? Asking::cancel
                                               : Asking::signal),
       reply.saga);
  if (asked.what == 'c') {
    if (reply.what == What::conflict) {
      coverage_.count(Transition::s12);
    }
    return;
  }
  if (asked.what != 's') {
    return;
  }
  if (reply.what == What::invalid) {
    find(Finding::Kind::no_text, asked.definition, {.high = 0, .low = reply.waiter}, 0, reply.detail);
  }
  if (reply.what == What::accepted || reply.what == What::existing) {
    const auto stream = streams_.find(reply.saga);
    if (stream == streams_.end()) {
      violated("I13: a submit is acknowledged and not durable");
      return;
    }
    if (json::write(stream->second.oracle.state().input) != asked.input) {
      violated("I13: another input is acknowledged");
    }
    coverage_.transitions[static_cast<std::size_t>(Transition::s2)] += reply.what == What::existing ? 1 : 0;
    if (!asked.key.empty()) {
      const auto [first, fresh] = acknowledged_.try_emplace(asked.key, reply.saga, asked.input);
      if (first->second.first != reply.saga) {
        violated("I13: one key, two sagas");
      }
    }
  } else if (reply.what == What::key_reused) {
    coverage_.count(Transition::s3);
    const auto first = claims_.find(asked.key);
    if (first == claims_.end() ||
        json::write(streams_.at(first->second.first).oracle.state().input) == asked.input) {
      violated("I13: a key is called reused with the same input");
    }
  }
}

void World::on(OperatorActs& /*acts*/) {
  // The longer it takes, the less often somebody looks: waits of days must end within so many events.
  patience_ = healing_ ? std::min<Duration>(patience_ * 5 / 4, std::chrono::hours(6)) : patience_;
  schedule(healing_ ? patience_ : some(std::chrono::seconds(2)) * pace_, OperatorActs{});
  bool left = false;
  for (const SagaId saga : order_) {
    const Stream& stream = streams_.at(saga);
    if (stream.oracle.ended()) {
      continue;
    }
    left = true;
    if (stream.oracle.state().suspended && (healing_ || chance(odds_.operate))) {
      operate(saga, healing_);
    } else if (!healing_ && random_.below(60) == 0) {
      feed(epoch_, input::Operate{.saga = saga,
                                  .waiter = 0,
                                  .verb = Verb::suspend,
                                  .step = {},
                                  .who = "op",
                                  .why = "look",
                                  .payload = {}});
    } else if (const std::string signal = healing_ ? some_signal(saga) : ""; !signal.empty()) {
      const std::string id = fmt::format("{}#{}", ++next_signal_, saga.low % 10);
      feed(epoch_,
           input::Signal{
               .saga = saga, .waiter = 0, .id = id, .name = signal, .payload = payload_of(saga, signal)});
    }
  }
  if (healing_ && !left) {
    queue_ = {};  // everything has ended
  }
}

// A person looks at a suspended saga, and into the service's own books where that is the question.
void World::operate(SagaId saga, bool to_heal) {
  const SagaState& state = streams_.at(saga).oracle.state();
  const SuspendState& why = state.suspension;
  input::Operate act{
      .saga = saga, .waiter = 0, .verb = Verb::resume, .step = {}, .who = "op", .why = "seen", .payload = {}};
  const Ledger::Count count = ledger_.of(saga, why.step);
  if (why.reason == SuspendReason::pivot_unknown || why.reason == SuspendReason::step_unknown) {
    const bool stands = count.effects > count.undone || state.phase == Phase::committed;
    act.verb = stands ? Verb::set_result : to_heal ? Verb::abort : Verb::retry;
  } else if (why.reason == SuspendReason::step_refused ||
             (why.reason == SuspendReason::config &&
              std::holds_alternative<NestedSaga>(state.definition->steps[why.step].action))) {
    act.verb = Verb::set_result;  // refused after the pivot, or the nested saga failed for good
  } else if (why.reason == SuspendReason::cannot_render && to_heal) {
    act.verb = Verb::fail;  // as long as the definition is what it is
  } else if (why.reason == SuspendReason::undo_blocked) {
    act.verb = random_.below(2) == 0 ? Verb::forgive : Verb::retry;
  }
  if (!to_heal) {
    constexpr std::array verbs{Verb::resume, Verb::retry, Verb::abort, Verb::fail, Verb::migrate};
    if (random_.below(3) == 0) {
      act.verb = verbs[random_.below(random_.below(4) == 0 ? 5 : 3)];
      act.definition = state.definition;
    }
    if (random_.below(4) == 0) {
      act.expected_seq = state.seq - random_.below(2);
    }
  }
  if (act.verb == Verb::set_result) {
    const auto told = json::parse(
        catalogue_.stubs(*state.definition).answer(act.step.value_or(why.step), saga.low + why.step));
    act.payload = told ? *told : json::Value();
  }
  note(fmt::format("a person says {}", to_string(act.verb)), saga);
  feed(epoch_, std::move(act));
}

}  // namespace flotilla::saga::simulation
