// The simulated network: requests to services, answers, and what sagas tell each other.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {

void World::transmit(Epoch epoch, effect::Send& send) {
  const auto place = streams_.find(send.saga);
  if (place == streams_.end()) {
    violated("I13: something is sent of a saga that is not durable");
    return;
  }
  Stream& stream = place->second;
  const std::uint64_t id = next_attempt_++;
  const Duration timeout = send.timeout;
  const bool barrier =
      catalogue_.grade(stream.oracle.state().definition->steps[send.step], Op::action) == Grade::barrier;
  // An owner whose lease is over sends nothing more.
  const bool held_back = epoch != epoch_ || chance(odds_.held_back);
  const bool not_sent = held_back || chance(odds_.not_sent);
  if (read_key(keys_, send.key) !=
      std::optional(Operation{.saga = send.saga, .step = send.step, .op = send.op})) {
    violated("I11: a key that is not of this operation");
    return;
  }
  if (std::string wrong = epoch == epoch_ ? stream.oracle.sent(send, !not_sent) : ""; !wrong.empty()) {
    note(fmt::format("sends {} of {}", to_string(send.op),
                     stream.oracle.state().definition->steps[send.step].name),
         send.saga);
    violated(wrong);
    return;
  }
  if (!stream.locks.empty() && epoch == epoch_ && !current().locks.holds(send.saga)) {
    violated("I21: a request of a saga that does not hold its locks");
    return;
  }
  if (epoch == epoch_) {
    check_lock_seq(send, stream);
  }
  std::size_t in_flight = 0;
  for (const auto& [other, attempt] : attempts_) {
    if (attempt.epoch != epoch || attempt.answered || attempt.send.saga != send.saga ||
        attempt.send.step != send.step) {
      continue;
    }
    in_flight += attempt.send.op == send.op ? 1 : 0;
    if (send.op == Op::undo && attempt.send.op == Op::action) {
      violated(fmt::format("1.7: an undo beside its action, of {}", send.saga.text()));
    }
  }
  if (in_flight > 0 && send.op != Op::status) {
    violated(fmt::format("I24: two attempts of one operation at once, of {}", send.saga.text()));
    return;
  }
  note(fmt::format("sends {} of {}{}", to_string(send.op),
                   stream.oracle.state().definition->steps[send.step].name, not_sent ? ", not sent" : ""),
       send.saga);
  const Op op = send.op;
  const Step& step = stream.oracle.state().definition->steps[send.step];
  attempts_.emplace(id, Attempt{.send = std::move(send), .epoch = epoch, .answered = false});
  if (not_sent) {
    ServiceAnswer answer{.head = {.kind = AnswerHead::Kind::not_sent}, .body = {}, .location = {}};
    schedule(some(std::chrono::milliseconds(2)),
             Deliver{.attempt = id, .answer = answer, .held_back = held_back});
    return;
  }
  ServiceAnswer lost{.head = {.kind = AnswerHead::Kind::lost}, .body = {}, .location = {}};
  schedule(timeout, Deliver{.attempt = id, .answer = lost, .held_back = false});
  const bool late = barrier && chance(odds_.late);
  if (!chance(odds_.lose_request)) {
    const Duration travel =
        late ? some(timeout * 4) : some(std::chrono::milliseconds(random_.below(8) == 0 ? 1500 : 3));
    schedule(std::min(travel, late ? travel : timeout * 9 / 10),
             Arrive{.attempt = id, .answer = true, .again = false});
  }
  // Something between us sends it again. That is harmless at a service that replays its first answer, once it
  // has one; elsewhere it may turn a no into a yes, or a yes into "it exists already", which no engine can
  // tell.
  if ((step.replays_answers || op == Op::undo) && chance(odds_.doubled)) {
    schedule(some(late ? timeout * 4 : timeout / 2),
             Arrive{.attempt = id, .answer = random_.below(2) == 0, .again = true});
  }
}

void World::on(Arrive& arrive) {
  const auto found = attempts_.find(arrive.attempt);
  if (found == attempts_.end()) {
    return;
  }
  const effect::Send& send = found->second.send;
  const Step& step = streams_.at(send.saga).oracle.state().definition->steps[send.step];
  if (arrive.again && send.op == Op::action && ledger_.of(send.saga, send.step).effects == 0) {
    return;
  }
  const Moods calm;
  Moods moods = moods_;
  if (send.request->service == poisoned_) {
    moods.stumble = std::max(moods.stumble, 850U);
    moods.refuse = moods.again = 0;
  }
  ServiceAnswer answer =
      ledger_.take(send, step, catalogue_.grade(step, send.op), healing_ ? calm : moods, clock_, random_);
  const bool plain = answer.head.status / 100 == 2 && answer.head.status != 202;
  if (send.op != Op::undo && (plain || answer.head.outcome == "ok")) {
    const Stubs& stubs = catalogue_.stubs(*streams_.at(send.saga).oracle.state().definition);
    if (stubs.is_read(send.step)) {
      answer.head.status = plain ? 200 : answer.head.status;  // successors read its body
      answer.body = stubs.answer(send.step, send.saga.low + send.step);
    }
  }
  note(fmt::format("{} takes {} of {}: {} {}", send.request->service, to_string(send.op), step.name,
                   answer.head.status, answer.head.outcome),
       send.saga);
  if (answer.head.status == 202 && answer.location.empty() && send.op == Op::action &&
      random_.below(2) == 0) {
    schedule(some(std::chrono::seconds(4)), CallBack{.attempt = arrive.attempt});
  }
  if (arrive.answer && !chance(odds_.lose_answer)) {
    const Duration travel = some(std::chrono::milliseconds(random_.below(16) == 0 ? 3000 : 3));
    schedule(travel, Deliver{.attempt = arrive.attempt, .answer = answer, .held_back = false});
    if (chance(odds_.doubled)) {
      schedule(travel + some(std::chrono::milliseconds(100)),
               Deliver{.attempt = arrive.attempt, .answer = std::move(answer), .held_back = false});
    }
  }
}

// Whatever comes first ends the attempt. What comes later, or to an owner that did not send it, must do
// nothing.
void World::on(Deliver& deliver) {
  const auto found = attempts_.find(deliver.attempt);
  if (found == attempts_.end()) {
    return;
  }
  Attempt& attempt = found->second;
  if (deliver.answer.head.kind == AnswerHead::Kind::lost && attempt.answered) {
    return;
  }
  const bool first = !attempt.answered;
  if (first && deliver.answer.head.kind == AnswerHead::Kind::lost) {
    note(fmt::format("no answer to the {}", to_string(attempt.send.op)), attempt.send.saga);
  }
  attempt.answered = true;
  const effect::Send& send = attempt.send;
  const Step& step = streams_.at(send.saga).oracle.state().definition->steps[send.step];
  if (send.op != Op::status) {
    const Judgement judged = judge(deliver.answer.head, send.op, step.verdict_rules(), false);
    ++coverage_.rows[static_cast<std::size_t>(judged.row)][send.op == Op::action ? 0 : 1];
  }
  if (send.op == Op::action && first) {
    const Judgement judged = judge(deliver.answer.head, Op::action, step.verdict_rules(), false);
    attempt.doubtful |= judged.verdict != Verdict::retry && judged.verdict != Verdict::refused;
    bool doubt = false;
    for (const auto& [id, other] : attempts_) {
      const bool same =
          other.send.saga == send.saga && other.send.step == send.step && other.send.op == send.op;
      doubt |= same && (other.doubtful || other.epoch != attempt.epoch);
    }
    if (judged.verdict == Verdict::refused && !doubt && attempt.epoch == epoch_) {
      streams_.at(send.saga).oracle.refused_by_answer(send.step);
    }
  }
  const Epoch to = owner(attempt.epoch) != nullptr ? attempt.epoch : epoch_;
  feed(to, input::Answer{.saga = send.saga,
                         .token = send.token,
                         .head = deliver.answer.head,
                         .held_back = deliver.held_back,
                         .location = deliver.answer.location,
                         .body = deliver.answer.body});
}

void World::on(CallBack& back) {
  const auto found = attempts_.find(back.attempt);
  if (found == attempts_.end()) {
    return;
  }
  const effect::Send& send = found->second.send;
  const Ledger::Count count = ledger_.of(send.saga, send.step);
  if (count.effects == 0 || count.pending) {
    return;  // not done, or it gave up: it says nothing
  }
  found->second.answered = true;
  feed(epoch_, input::Callback{.saga = send.saga,
                               .step = send.step,
                               .op = send.op,
                               .head = {.kind = AnswerHead::Kind::status, .status = 200},
                               .body = catalogue_.stubs(*streams_.at(send.saga).oracle.state().definition)
                                           .answer(send.step, send.saga.low + send.step)});
}

std::optional<SagaId> World::child_of(const Parent& parent, SagaId child, const std::string& key) const {
  if (!child.is_none()) {
    return child;
  }
  const auto& nested =
      std::get<NestedSaga>(streams_.at(parent.saga).oracle.state().definition->steps[parent.step].action);
  const auto found = claims_.find(nested.name + "\n" + key);
  return found == claims_.end() ? std::nullopt : std::optional(found->second.first);
}

void World::on(Message& message) {
  const auto deliver = [this](SagaId saga, Input input) {
    if (!streams_.contains(saga)) {
      return;
    }
    if (current().engine->life(saga) == nullptr) {
      feed(epoch_, load_of(saga));
    }
    feed(epoch_, std::move(input));
  };
  if (auto* start = std::get_if<StartChild>(&message.message)) {
    feed(epoch_, input::Submit{.waiter = 0,
                               .definition = catalogue_.find(start->definition),
                               .input = start->input,
                               .key = start->key,
                               .parent = start->parent,
                               .trace = start->trace,
                               .correlation = start->correlation});
  } else if (auto* undo = std::get_if<UndoChild>(&message.message)) {
    if (const auto child = child_of(undo->parent, undo->child, undo->key)) {
      undo->child = *child;
      deliver(*child, *undo);
    } else {
      deliver(undo->parent.saga, ChildReport{.parent = undo->parent, .child = {}, .phase = Phase::rejected});
    }
  } else if (auto* release = std::get_if<ReleaseChild>(&message.message)) {
    if (const auto child = child_of(release->parent, release->child, release->key)) {
      release->child = *child;
      deliver(*child, *release);
    }
  } else if (auto* report = std::get_if<ChildReport>(&message.message)) {
    deliver(report->parent.saga, *report);
  } else if (auto* ask = std::get_if<AskParent>(&message.message)) {
    deliver(ask->parent.saga, *ask);
  } else if (auto* child = std::get_if<AskChild>(&message.message)) {
    deliver(child->child, *child);
  }
}

}  // namespace flotilla::saga::simulation
