// Dead letters that are sent again, beside the events of the topic.
#include <algorithm>
#include <utility>

#include "flotilla/events/core/subscription_engine.hpp"

namespace flotilla::events {

void SubscriptionEngine::on(const input::RedrivesWait& /*in*/) { redrives_wait_ = true; }

void SubscriptionEngine::on(input::Redrives& in) {
  if (!fetching_redrives_ || in.fetch + 1 != next_redrive_fetch_) {
    return;  // of a read that was given up
  }
  fetching_redrives_ = false;
  redrives_wait_ = redrives_wait_ || in.more;
  for (Redrive& each : in.letters) {
    if (!open_.contains(kFirstRedrive + each.letter)) {
      arrive(std::move(each));
    }
  }
}

void SubscriptionEngine::arrive(Redrive&& redrive) {
  const At at = kFirstRedrive + redrive.letter;
  redrive.arrived.key.resize(std::min(redrive.arrived.key.size(), kMaxKeyBytes));
  const std::size_t bytes = size_of(*redrive.arrived.event) + size_of(redrive.kept->event);
  Delivery& delivery = open_
                           .emplace(at, Delivery{.arrived = std::move(redrive.arrived),
                                                 .bytes = bytes,
                                                 .kept = std::move(redrive.kept)})
                           .first->second;
  bytes_ += bytes;
  redrive_bytes_ += bytes;
  ++redrives_;
  if (delivery.arrived.admission == ArrivedEvent::Admission::filtered) {
    decide(at, delivery, {.outcome = Outcome::filtered, .step = {.verb = LetterVerb::filtered}});
  } else if (delivery.arrived.admission == ArrivedEvent::Admission::broken) {
    FailedDelivery failed = failure_of(delivery, DeadReason::broken);
    failed.body = delivery.arrived.detail;
    bury(at, delivery, failed, {});
  } else if (policy_.order_by == OrderBy::none || delivery.arrived.key.empty() ||
             planted(SubscriptionFault::redrive_overtakes)) {
    make_ready(at, delivery);
  } else {
    join_queue(at, delivery);
  }
}

// Behind what is under way, or was tried, of its key; before what was published after it.
void SubscriptionEngine::join_queue(At at, Delivery& delivery) {
  std::deque<At>& queue = queues_[delivery.arrived.key];
  auto place = queue.begin();
  if (!queue.empty()) {
    const Delivery& first = open_.at(queue.front());
    const bool untried =
        first.attempts == 0 && (first.stage == Stage::waiting || first.stage == Stage::ready);
    place += untried ? 0 : 1;
  }
  const auto later = [&](At other) { return open_.at(other).arrived.position > delivery.arrived.position; };
  place = std::find_if(place, queue.end(), later);
  const bool first = place == queue.begin();
  if (first && !queue.empty()) {
    Delivery& behind = open_.at(queue.front());
    leave_stage(queue.front(), behind);
    behind.stage = Stage::waiting;
  }
  queue.insert(place, at);
  if (first) {
    make_ready(at, delivery);
  }
}

// A key that is held holds the events of its topic, not what people send again.
bool SubscriptionEngine::may_go_next(At at, std::string_view key) const {
  return is_redrive(at) || !is_held(key);
}

// It failed again: it waits for a person again, in its own stream.
void SubscriptionEngine::send_back(At at, Delivery& delivery, const FailedDelivery& failed,
                                   Settlement&& settlement) {
  settlement.outcome = Outcome::returned;
  settlement.step = {.verb = LetterVerb::returned,
                     .code = failed.code.empty() ? std::string(to_string(failed.reason)) : failed.code,
                     .body = attribute_text(failed.body, kMaxErrorBody),
                     .attempts = failed.attempts};
  const std::string key = delivery.arrived.key;
  alert(effect::Alert::Kind::dead_letter, std::string(delivery.arrived.event->attribute("id")));
  decide(at, delivery, std::move(settlement));
  const auto queue = queues_.find(key);
  if (failed.reason == DeadReason::parked || policy_.after_dead_letter == AfterDeadLetter::skip ||
      queue == queues_.end()) {
    return;
  }
  for (const At other : queue->second) {
    Delivery& behind = open_.at(other);
    if (is_redrive(other) && behind.stage == Stage::waiting) {
      send_back(other, behind, failure_of(behind, DeadReason::parked), {});
    }
  }
}

// Up to half of the concurrency is theirs before events; all of it where there are no events.
SubscriptionEngine::At SubscriptionEngine::next_to_send() const {
  const auto redrive = ready_.lower_bound(kFirstRedrive);
  const std::size_t share = std::max<std::size_t>(policy_.concurrency / 2, 1);
  return redrive != ready_.end() && redrives_out_ < share ? *redrive : *ready_.begin();
}

std::vector<RedriveOutcome> SubscriptionEngine::outcome_of(Settlement& settlement) const {
  if (planted(SubscriptionFault::lose_redrive) && settlement.outcome == Outcome::returned) {
    return {};
  }
  return {{.letter = settlement.at - kFirstRedrive,
           .kept = open_.at(settlement.at).kept,
           .step = std::move(settlement.step)}};
}

void SubscriptionEngine::fetch_redrives() {
  // Half full at most, so that one reading brings many.
  if (!redrives_wait_ || fetching_redrives_ || replay_ || redrives_ > kMaxRedrives / 2 ||
      redrive_bytes_ > policy_.ahead_bytes / 2) {
    return;
  }
  redrives_wait_ = false;
  fetching_redrives_ = true;
  effect::FetchRedrives out{
      .fetch = next_redrive_fetch_++, .letters = kMaxRedrives - redrives_, .bytes = policy_.ahead_bytes / 2};
  for (auto each = open_.lower_bound(kFirstRedrive); each != open_.end(); ++each) {
    out.had.push_back(each->first - kFirstRedrive);
  }
  effects_.emplace_back(std::move(out));
}

}  // namespace flotilla::events
