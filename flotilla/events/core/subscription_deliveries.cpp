// Answers of the subscriber, and how events are settled.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/events/core/subscription_engine.hpp"

namespace flotilla::events {
namespace {

using Fault = SubscriptionFault;

// How long nothing is sent after a breaker or limit refused that gave no time, at least.
constexpr Duration kLeastHold = std::chrono::milliseconds(50);

std::string code_of(const DeliveryAnswer& head) {
  switch (head.kind) {
    case DeliveryAnswer::Kind::held_back:
      return "held-back";
    case DeliveryAnswer::Kind::not_sent:
      return "not-sent";
    case DeliveryAnswer::Kind::lost:
      return "lost";
    case DeliveryAnswer::Kind::status:
      break;
  }
  return std::to_string(head.status);
}

}  // namespace

void SubscriptionEngine::on(input::Answer& in) {
  const auto found = tokens_.find(in.token);
  if (found == tokens_.end()) {
    return;  // of an owner before, or its acknowledgement came first
  }
  const At at = found->second;
  Delivery& delivery = open_.at(at);
  if (delivery.stage != Stage::sent) {
    return;  // the answer came twice
  }
  const DeliveryJudgement judgement = judge(in.head);
  counters_.answers[static_cast<std::size_t>(judgement.row)].add();
  probed(in.token);
  if (judgement.alert) {
    alert(judgement.row == DeliveryRow::redirect ? effect::Alert::Kind::redirect
                                                 : effect::Alert::Kind::unauthorized,
          code_of(in.head));
  }
  judged(at, delivery, judgement, in);
}

void SubscriptionEngine::judged(At at, Delivery& delivery, const DeliveryJudgement& judgement,
                                const input::Answer& in) {
  if (judgement.verdict == DeliveryVerdict::later) {
    later(at, delivery);
    return;
  }
  leave_stage(at, delivery);
  switch (judgement.verdict) {
    case DeliveryVerdict::ack:
      acknowledge(at, delivery, in.body, 0);
      break;
    case DeliveryVerdict::reject:
      if (planted(Fault::retry_refused)) {
        failed_for_now(at, delivery, code_of(in.head), in.body, std::nullopt);
      } else {
        refuse(at, delivery, in.head.status, in.body, 0);
      }
      break;
    case DeliveryVerdict::pause:
      gone(at, delivery);
      break;
    case DeliveryVerdict::hold:
      held_back(at, delivery, in.head.retry_after);
      break;
    case DeliveryVerdict::retry:
      if (planted(Fault::drop_at_404) && judgement.row == DeliveryRow::not_found) {
        acknowledge(at, delivery, "", 0);
      } else {
        failed_for_now(at, delivery, code_of(in.head), in.body, in.head.retry_after);
      }
      break;
    case DeliveryVerdict::later:
      break;  // above
  }
}

// The event that was sent to find out whether more get through has its answer.
void SubscriptionEngine::probed(std::uint64_t token) {
  if (gate_ == Gate::probing && probe_ == token) {
    gate_ = Gate::open;
  }
}

// Keeps its token: the acknowledgement comes by it.
void SubscriptionEngine::later(At at, Delivery& delivery) {
  --in_flight_;
  ++unacked_;
  delivery.stage = Stage::unacked;
  delivery.due = saturating_add(now_.mono, policy_.ack_timeout);
  if (!planted(Fault::forget_accepted)) {
    due_.emplace(delivery.due, at);
  }
}

void SubscriptionEngine::on(input::Ack& in) {
  const auto found = tokens_.find(in.token);
  if (found == tokens_.end()) {
    reply(in.waiter, effect::Reply::What::unknown,
          "no delivery of that token is open: it is acknowledged, or was sent again");
    return;
  }
  const At at = found->second;
  Delivery& delivery = open_.at(at);
  probed(in.token);
  leave_stage(at, delivery);  // also where the 202 is still on its way
  switch (in.outcome) {
    case EventOutcome::none:
    case EventOutcome::ok:
      acknowledge(at, delivery, in.body, in.waiter);
      break;
    case EventOutcome::reject:
      refuse(at, delivery, 0, in.body, in.waiter);
      break;
    case EventOutcome::retry:
      failed_for_now(at, delivery, "retry", in.body, std::nullopt);
      reply(in.waiter, effect::Reply::What::done);
      break;
  }
}

void SubscriptionEngine::failed_for_now(At at, Delivery& delivery, std::string code, std::string_view body,
                                        std::optional<Duration> retry_after) {
  delivery.code = std::move(code);
  delivery.body = body.substr(0, kMaxErrorBody);
  if (delivery.attempts >= policy_.retry.attempts) {
    bury(at, delivery, failure_of(delivery, DeadReason::exhausted), {});
    return;
  }
  Duration pause = resilience::backoff(policy_.retry, delivery.attempts, random_);
  if (retry_after && *retry_after > Duration::zero() && !planted(Fault::ignore_retry_after)) {
    // Spread, so that what was sent away together does not return together.
    pause = std::min(*retry_after, policy_.retry.retry_after_cap) + pause / 2;
  }
  delivery.stage = Stage::backing_off;
  delivery.due = saturating_add(now_.mono, pause);
  due_.emplace(delivery.due, at);
}

void SubscriptionEngine::held_back(At at, Delivery& delivery, std::optional<Duration> retry_after) {
  if (planted(Fault::spend_held_attempts)) {
    failed_for_now(at, delivery, "held-back", "", retry_after);
    return;
  }
  --delivery.attempts;
  make_ready(at, delivery);
  const Duration least = std::max(kLeastHold, policy_.retry.first);
  gate_ = Gate::closed;
  gate_until_ = saturating_add(
      now_.mono, retry_after ? std::clamp(*retry_after, kLeastHold, policy_.retry.retry_after_cap) : least);
}

void SubscriptionEngine::gone(At at, Delivery& delivery) {
  --delivery.attempts;
  make_ready(at, delivery);
  counters_.paused.add();
  pause(PauseReason::gone, "the subscriber answered 410 Gone");
  alert(effect::Alert::Kind::gone, fmt::format("event {}", delivery.arrived.event->attribute("id")));
}

void SubscriptionEngine::acknowledge(At at, Delivery& delivery, std::string_view answer, Waiter waiter) {
  Settlement settlement{
      .outcome = Outcome::acknowledged, .waiter = waiter, .step = {.verb = LetterVerb::delivered}};
  if (!policy_.on_success.empty()) {
    for (int i = planted(Fault::publish_twice) ? 0 : 1; i < 2; ++i) {
      settlement.caused.push_back(
          {.kind = CausedEvent::Kind::success,
           .topic = policy_.on_success,
           .event = success_of(*delivery.arrived.event, origin(delivery), policy_.on_success, answer)});
    }
  }
  decide(at, delivery, std::move(settlement));
}

void SubscriptionEngine::refuse(At at, Delivery& delivery, std::uint16_t status, std::string_view answer,
                                Waiter waiter) {
  delivery.code = status == 0 ? "reject" : std::to_string(status);
  delivery.body = answer.substr(0, kMaxErrorBody);
  Settlement settlement{.waiter = waiter};
  if (!policy_.on_failure.empty() && !is_redrive(at)) {
    settlement.caused.push_back({.kind = CausedEvent::Kind::failure,
                                 .topic = policy_.on_failure,
                                 .event = events::failure_of(*delivery.arrived.event, origin(delivery),
                                                             policy_.on_failure, status, answer)});
  }
  bury(at, delivery, failure_of(delivery, DeadReason::refused), std::move(settlement));
}

FailedDelivery SubscriptionEngine::failure_of(const Delivery& delivery, DeadReason reason) const {
  return {.reason = reason,
          .code = delivery.code,
          .body = delivery.body,
          .attempts = delivery.attempts,
          .first = delivery.first,
          .last = delivery.last};
}

void SubscriptionEngine::bury(At at, Delivery& delivery, const FailedDelivery& failed,
                              Settlement&& settlement) {
  if (is_redrive(at)) {
    send_back(at, delivery, failed, std::move(settlement));
    return;
  }
  const std::string key = delivery.arrived.key;
  const bool holds = policy_.after_dead_letter != AfterDeadLetter::skip && !key.empty() &&
                     (failed.reason == DeadReason::refused || failed.reason == DeadReason::exhausted);
  if (holds && !is_held(key) && progress_.held_keys.size() >= kMaxHeldKeys) {
    cannot_hold(at, delivery, settlement.waiter);
    return;
  }
  settlement.outcome = Outcome::dead;
  settlement.reason = failed.reason;
  const journal::Event& event = *delivery.arrived.event;
  if (!planted(Fault::lose_dead_letter) || failed.reason != DeadReason::exhausted) {
    settlement.caused.push_back({.kind = CausedEvent::Kind::dead_letter,
                                 .topic = policy_.dead_letter,
                                 .event = dead_letter_of(event, origin(delivery), failed)});
  }
  alert(effect::Alert::Kind::dead_letter,
        fmt::format("event {}: {} {}", event.attribute("id"), to_string(failed.reason), failed.code));
  decide(at, delivery, std::move(settlement));
  if (holds) {
    hold_key(key);
  }
}

// One more key than can be remembered: the event stays as it is, and everything waits for a person.
void SubscriptionEngine::cannot_hold(At at, Delivery& delivery, Waiter waiter) {
  --delivery.attempts;
  make_ready(at, delivery);
  counters_.paused.add();
  pause(PauseReason::too_many_keys,
        fmt::format("{} keys are held back already; release some, then resume", kMaxHeldKeys));
  alert(effect::Alert::Kind::too_many_keys, delivery.arrived.key);
  reply(waiter, effect::Reply::What::refused, "too many keys are held back; the subscription is paused");
}

// Saved with the dead letter: both are decided before the next append, but for what kMaxAppendBytes leaves
// for a later one, and nothing of the key is sent before that.
void SubscriptionEngine::hold_key(const std::string& key) {
  if (!progress_.held_keys.insert(key).second) {
    return;
  }
  alert(effect::Alert::Kind::key_held, key);
  if (policy_.after_dead_letter == AfterDeadLetter::park_key) {
    park_behind(key);
  }
}

// Those of the key that were read already follow its head, in their order.
void SubscriptionEngine::park_behind(const std::string& key) {
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) {
    return;
  }
  for (const At at : queue->second) {
    Delivery& delivery = open_.at(at);
    if (delivery.stage == Stage::waiting) {
      bury(at, delivery, failure_of(delivery, DeadReason::parked), {});
    }
  }
}

void SubscriptionEngine::decide(At at, Delivery& delivery, Settlement&& settlement) {
  delivery.stage = Stage::decided;
  settlement.at = at;
  decided_.push_back(std::move(settlement));
  if (planted(Fault::next_before_durable)) {
    if (const auto queue = queues_.find(delivery.arrived.key);
        queue != queues_.end() && queue->second.size() > 1 && queue->second.front() == at) {
      Delivery& next = open_.at(queue->second[1]);
      if (next.stage == Stage::waiting) {
        make_ready(queue->second[1], next);
      }
    }
  }
}

// Out of what the stage has it in; its stage is set by whoever calls.
void SubscriptionEngine::leave_stage(At at, Delivery& delivery) {
  switch (delivery.stage) {
    case Stage::ready:
      ready_.erase(at);
      break;
    case Stage::sent:
      --in_flight_;
      redrives_out_ -= is_redrive(at) ? 1 : 0;
      tokens_.erase(delivery.token);
      break;
    case Stage::unacked:
      --unacked_;
      redrives_out_ -= is_redrive(at) ? 1 : 0;
      tokens_.erase(delivery.token);
      due_.erase({delivery.due, at});
      break;
    case Stage::backing_off:
      due_.erase({delivery.due, at});
      break;
    case Stage::waiting:
    case Stage::decided:
      break;
  }
}

// It is durable: whoever waits for it may go on.
void SubscriptionEngine::settled(const Settlement& settlement) {
  switch (settlement.outcome) {
    case Outcome::acknowledged:
      (is_redrive(settlement.at) ? counters_.redriven : counters_.acknowledged).add();
      break;
    case Outcome::dead:
      counters_.dead_letters[static_cast<std::size_t>(settlement.reason)].add();
      break;
    case Outcome::expired:
      counters_.expired.add();
      break;
    case Outcome::filtered:
      counters_.filtered.add();
      break;
    case Outcome::returned:
      counters_.returned.add();
      break;
  }
  reply(settlement.waiter, effect::Reply::What::done);
  const auto found = open_.find(settlement.at);
  const std::string key = std::move(found->second.arrived.key);
  bytes_ -= found->second.bytes;
  if (is_redrive(settlement.at)) {
    --redrives_;
    redrive_bytes_ -= found->second.bytes;
  }
  open_.erase(found);
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) {
    return;
  }
  std::erase(queue->second, settlement.at);
  if (queue->second.empty()) {
    queues_.erase(queue);
    return;
  }
  Delivery& next = open_.at(queue->second.front());
  if (next.stage == Stage::waiting && may_go_next(queue->second.front(), key)) {
    make_ready(queue->second.front(), next);
  }
}

}  // namespace flotilla::events
