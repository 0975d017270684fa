// What becomes of attempts and of calls, and what people ask for.
#include <algorithm>
#include <array>
#include <utility>

#include "flotilla/events/core/queue_engine.hpp"

namespace flotilla::events {
namespace {

// Between attempts that do not reach the service.
constexpr resilience::RetryPolicy kTrouble{
    .attempts = 100, .first = std::chrono::milliseconds(500), .cap = std::chrono::seconds(30)};

std::string code_of(const DeliveryAnswer& answer) {
  switch (answer.kind) {
    case DeliveryAnswer::Kind::held_back:
      return "held-back";
    case DeliveryAnswer::Kind::not_sent:
      return "not-sent";
    case DeliveryAnswer::Kind::lost:
      return "lost";
    case DeliveryAnswer::Kind::status:
      break;
  }
  return std::to_string(answer.status);
}

// Whether the service may have acted although the answer is no success.
bool may_have_acted(DeliveryRow row) {
  return row == DeliveryRow::lost || row == DeliveryRow::platform || row == DeliveryRow::server_error ||
         row == DeliveryRow::nonsense;
}

OutcomeRecord outcome_of(const queue_input::Answer& in, const QueueItem& item) {
  return {.certainty = item.certainty,
          .attempts = item.attempts,
          .code = code_of(in.head),
          .status = in.head.status,
          .content_type = in.content_type.substr(0, kMaxItemText),
          .body = in.body.substr(0, kMaxKeptAnswer),
          .cut = in.body.size() > kMaxKeptAnswer};
}

}  // namespace

bool QueueEngine::may_resend(const QueueItem& item) const {
  return item.resendable || policy_.deduplicates || item.forced || planted(QueueFault::resend_unsafe);
}

void QueueEngine::on(queue_input::Answer& in) {
  const auto found = tokens_.find(in.token);
  if (found == tokens_.end()) {
    return;  // of before a Reload
  }
  const At at = found->second;
  tokens_.erase(found);
  Open& open = open_.at(at);
  --in_flight_;
  const DeliveryJudgement judgement = judge(in.head);
  counters_.answers[static_cast<std::size_t>(judgement.row)].add();
  using Kind = DeliveryAnswer::Kind;
  if (in.head.kind == Kind::held_back || in.head.kind == Kind::not_sent) {
    held_back(at, open, in);
    return;
  }
  trouble_ = 0;
  const bool lost = judgement.row == DeliveryRow::lost;
  // While the first attempt may still be at work, its key is in use.
  const bool in_use = in.head.status == 409 && open.before == Certainty::unknown;
  switch (judgement.verdict) {
    case DeliveryVerdict::ack:
    case DeliveryVerdict::later: {
      OutcomeRecord outcome = outcome_of(in, open.item);
      outcome.state = QueueState::done;
      settle(at, open, std::move(outcome), now_.mono);
      return;
    }
    case DeliveryVerdict::reject:
    case DeliveryVerdict::pause:
      if (!in_use && !planted(QueueFault::retry_refused)) {
        open.item.certainty = open.before;
        bury(at, open, QueueDeadReason::refused, outcome_of(in, open.item));
        return;
      }
      break;
    case DeliveryVerdict::retry:
    case DeliveryVerdict::hold:
      break;
  }
  if (lost && planted(QueueFault::drop_when_lost)) {
    OutcomeRecord outcome = outcome_of(in, open.item);
    outcome.state = QueueState::done;
    settle(at, open, std::move(outcome), now_.mono);
    return;
  }
  failed(at, open, in, judgement.row);
}

// Nothing was sent: no attempt is spent, and then one call alone finds out whether the service is there.
void QueueEngine::held_back(At at, Open& open, const queue_input::Answer& in) {
  trouble_ = std::min<std::uint32_t>(trouble_ + 1, kTrouble.attempts);
  const Duration ceiling = resilience::backoff_ceiling(kTrouble, trouble_);
  const Duration pause =
      ceiling / 2 +
      Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ceiling.count() / 2) + 1)));
  blocked_until_ = saturating_add(now_.mono, std::max(pause, in.head.retry_after.value_or(Duration::zero())));
  if (!planted(QueueFault::spend_held_attempts)) {
    --open.item.attempts;
  }
  open.item.certainty = open.before;
  if (open.item.attempts >= policy_.retry.attempts) {
    bury(at, open, QueueDeadReason::exhausted, outcome_of(in, open.item));
    return;
  }
  // What a person forced was not tried yet.
  open.item.forced = open.before == Certainty::unknown && !may_resend(open.item);
  settle(at, open, outcome_of(in, open.item), now_.mono);
}

void QueueEngine::failed(At at, Open& open, const queue_input::Answer& in, DeliveryRow row) {
  if (!may_have_acted(row)) {
    open.item.certainty = open.before;
  }
  if (open.item.certainty == Certainty::unknown && !may_resend(open.item)) {
    bury(at, open, QueueDeadReason::unknown, outcome_of(in, open.item));
    return;
  }
  if (open.item.attempts >= policy_.retry.attempts) {
    if (planted(QueueFault::lose_last_attempt)) {
      OutcomeRecord gone = outcome_of(in, open.item);
      gone.state = QueueState::removed;
      settle(at, open, std::move(gone), now_.mono);
      return;
    }
    bury(at, open, QueueDeadReason::exhausted, outcome_of(in, open.item));
    return;
  }
  const Duration pause = std::max(resilience::backoff(policy_.retry, open.item.attempts, random_),
                                  in.head.retry_after.value_or(Duration::zero()));
  settle(at, open, outcome_of(in, open.item),
         planted(QueueFault::ignore_backoff) ? now_.mono : saturating_add(now_.mono, pause));
}

void QueueEngine::bury(At at, Open& open, QueueDeadReason reason, OutcomeRecord outcome) {
  outcome.state = QueueState::dead;
  outcome.reason = reason;
  settle(at, open, std::move(outcome), now_.mono);
}

void QueueEngine::settle(At at, Open& open, OutcomeRecord outcome, Instant due) {
  leave(at, open);
  open.stage = Stage::settling;
  open.due = due;
  QueueItem& item = open.item;
  ++item.version;
  item.state = outcome.state;
  item.certainty = outcome.certainty;
  item.attempts = outcome.attempts;
  item.code = outcome.code;
  item.reason = outcome.reason;
  item.due = due > now_.mono ? wall_of(due) : 0;
  if (planted(QueueFault::next_before_durable) && !item.key.empty() && item.state != QueueState::pending) {
    lines_[item.key].erase(at);
    busy_.erase(item.key);
    promote(item.key);
  }
  append(at, 0, {.item = item, .type = QueueRecord::outcome, .outcome = std::move(outcome)});
}

void QueueEngine::settled(At at, Open& open) {
  if (const auto busy = busy_.find(open.item.key); busy != busy_.end() && busy->second == at) {
    busy_.erase(busy);
  }
  if (open.item.state == QueueState::pending) {
    wait(at, open);
    promote(open.item.key);
    return;
  }
  if (open.item.state == QueueState::done) {
    counters_.done.add();
  }
  if (open.item.state == QueueState::dead) {
    ++dead_;
    counters_.dead[static_cast<std::size_t>(*open.item.reason)].add();
    effects_.emplace_back(queue_effect::DeadLetter{.item = open.item});
  }
  erase(at);
}

void QueueEngine::on(queue_input::Operate& in) {
  if (!loaded_) {
    reply(in.waiter, false, "the queue is not read yet");
    return;
  }
  const auto found = ids_.find(in.item.id);
  if (found == ids_.end() && in.item.state != QueueState::dead) {
    const bool over = in.item.state == QueueState::done || in.item.state == QueueState::removed;
    reply(in.waiter, false,
          over ? "it is " + std::string(to_string(in.item.state)) : "it has changed meanwhile");
    return;
  }
  if (in.verb == QueueVerb::retry) {
    requeue(in);
  } else {
    remove(in);
  }
}

void QueueEngine::requeue(queue_input::Operate& in) {
  if (const auto found = ids_.find(in.item.id); found != ids_.end()) {
    Open& open = open_.at(found->second);
    if (open.stage != Stage::waiting) {
      reply(in.waiter, false, "an attempt is under way");
      return;
    }
    leave(found->second, open);
    open.due = now_.mono;
    wait(found->second, open);
    reply(in.waiter, true);
    return;
  }
  QueueItem item = std::move(in.item);
  ++item.version;
  item.state = QueueState::pending;
  item.forced = item.certainty == Certainty::unknown;
  item.attempts = 0;
  item.due = 0;
  item.reason.reset();
  item.expires = wall_ms() + to_millis(policy_.age);
  append(
      0, in.waiter,
      {.item = std::move(item), .type = QueueRecord::requeued, .person = {.who_why = std::move(in.who_why)}});
}

void QueueEngine::remove(queue_input::Operate& in) {
  At at = 0;
  QueueItem item = std::move(in.item);
  if (const auto found = ids_.find(item.id); found != ids_.end()) {
    at = found->second;
    Open& open = open_.at(at);
    if (open.stage != Stage::waiting) {
      reply(in.waiter, false, "an attempt is under way");
      return;
    }
    leave(at, open);
    open.stage = Stage::removing;
    item = open.item;
  }
  ++item.version;
  item.state = QueueState::removed;
  append(
      at, in.waiter,
      {.item = std::move(item), .type = QueueRecord::removed, .person = {.who_why = std::move(in.who_why)}});
}

}  // namespace flotilla::events
