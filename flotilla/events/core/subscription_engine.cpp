#include "flotilla/events/core/subscription_engine.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace flotilla::events {
namespace {

using Fault = SubscriptionFault;

constexpr std::size_t kFetchEvents = 500;
constexpr std::size_t kRowBytes = 1024;

}  // namespace

std::size_t size_of(const journal::Event& event) {
  std::size_t bytes = event.data.size();
  for (const auto& [name, value] : event.attributes) {
    bytes += name.size() + value.size();
  }
  return bytes;
}

SubscriptionEngine::SubscriptionEngine(SubscriptionPolicy policy, const SubscriptionSeat& seat,
                                       SubscriptionCounters& counters)
    : policy_(std::move(policy)),
      seat_(seat),
      counters_(counters),
      random_(seat.seed),
      next_token_(seat.first_token + 1) {}

SubscriptionEffects SubscriptionEngine::step(SubscriptionInput input, Now now) {
  effects_.clear();
  now_ = now;
  if (stopped_) {
    return {};
  }
  std::visit([this](auto& each) { on(each); }, input);
  if (!stopped_ && loaded_) {
    progress();
  }
  return std::exchange(effects_, {});
}

void SubscriptionEngine::on(input::Load& in) {
  forget_all();
  loaded_ = true;
  progress_ = std::move(in.progress);
  if (policy_.after_dead_letter == AfterDeadLetter::skip) {
    progress_.held_keys.clear();  // the policy was another one
  }
  if (planted(Fault::forget_settled)) {
    progress_.settled.clear();
  }
  read_to_ = progress_.mark;
}

void SubscriptionEngine::on(input::Arrived& in) {
  if (!fetching_ || in.fetch + 1 != next_fetch_) {
    return;  // of a read that was given up
  }
  fetching_ = false;
  for (ArrivedEvent& event : in.events) {
    if (event.position > read_to_) {
      arrive(std::move(event));
    }
  }
  read_to_ = std::max(read_to_, in.read_to);
}

void SubscriptionEngine::arrive(ArrivedEvent&& event) {
  const At at = event.position;
  read_to_ = at;
  if (progress_.settled.contains(at) || progress_.skips(at)) {
    return;
  }
  event.key.resize(std::min(event.key.size(), kMaxKeyBytes));  // keys that differ only beyond share an order
  const std::size_t bytes = size_of(*event.event);
  Delivery& delivery = open_.emplace(at, Delivery{.arrived = std::move(event), .bytes = bytes}).first->second;
  bytes_ += bytes;
  const ArrivedEvent& arrived = delivery.arrived;
  if (arrived.admission == ArrivedEvent::Admission::filtered) {
    decide(at, delivery, {.outcome = Outcome::filtered});
    return;
  }
  if (arrived.admission == ArrivedEvent::Admission::broken) {
    FailedDelivery failed = failure_of(delivery, DeadReason::broken);
    failed.body = arrived.detail;
    bury(at, delivery, failed, {});
    return;
  }
  if (policy_.order_by == OrderBy::none || arrived.key.empty()) {
    make_ready(at, delivery);
    return;
  }
  if (is_held(arrived.key) && policy_.after_dead_letter == AfterDeadLetter::park_key) {
    bury(at, delivery, failure_of(delivery, DeadReason::parked), {});
    return;
  }
  std::deque<At>& queue = queues_[arrived.key];
  queue.push_back(at);
  if ((queue.size() == 1 || planted(Fault::key_overtakes)) && !is_held(arrived.key)) {
    make_ready(at, delivery);
  }
}

bool SubscriptionEngine::is_held(std::string_view key) const { return progress_.held_keys.contains(key); }

void SubscriptionEngine::make_ready(At at, Delivery& delivery) {
  delivery.stage = Stage::ready;
  ready_.insert(at);
}

void SubscriptionEngine::on(const input::Appended& /*in*/) {
  is_appending_ = false;
  control_appending_ = false;
  for (const Waiter waiter : std::exchange(control_appending_waiters_, {})) {
    reply(waiter, effect::Reply::What::done);
  }
  for (const Settlement& each : std::exchange(appending_, {})) {
    settled(each);
  }
}

void SubscriptionEngine::on(const input::AppendFailed& in) {
  if (planted(Fault::ignore_append_failure) && !in.stale_epoch) {
    on(input::Appended{});
    return;
  }
  std::vector<Waiter> waiters = std::exchange(control_waiters_, {});
  std::ranges::copy(control_appending_waiters_, std::back_inserter(waiters));
  for (const Settlement& each : appending_) {
    waiters.push_back(each.waiter);
  }
  for (const Settlement& each : decided_) {
    waiters.push_back(each.waiter);
  }
  if (replay_) {
    waiters.push_back(replay_->waiter);
  }
  for (const Waiter waiter : waiters) {
    reply(waiter, effect::Reply::What::failed, "the journal did not take it; ask again");
  }
  forget_all();
  loaded_ = false;
  if (in.stale_epoch) {
    stopped_ = true;
    effects_.emplace_back(effect::Stop{});
    return;
  }
  counters_.reloads.add();
  effects_.emplace_back(effect::Reload{});
}

void SubscriptionEngine::forget_all() {
  progress_ = {};
  read_to_ = 0;
  open_.clear();
  bytes_ = 0;
  queues_.clear();
  ready_.clear();
  due_.clear();
  tokens_.clear();
  in_flight_ = 0;
  unacked_ = 0;
  decided_.clear();
  appending_.clear();
  is_appending_ = false;
  control_dirty_ = false;
  control_appending_ = false;
  control_waiters_.clear();
  control_appending_waiters_.clear();
  replay_.reset();
  replay_begins_ = false;
  redrives_ = 0;
  redrive_bytes_ = 0;
  redrives_out_ = 0;
  redrives_wait_ = true;
  fetching_redrives_ = false;
  gate_ = Gate::open;
  gate_until_ = kNever;
  fetching_ = false;
  at_bound_ = false;
  armed_ = kNever;
}

void SubscriptionEngine::on(const input::Timer& /*in*/) {
  armed_ = kNever;  // whatever it was for, progress() arms the next
}

void SubscriptionEngine::on(const input::Ready& /*in*/) {
  if (gate_ == Gate::closed) {
    gate_until_ = now_.mono;
  }
}

// What follows from where everything stands now.
void SubscriptionEngine::progress() {
  while (!due_.empty() && due_.begin()->first <= now_.mono) {
    const At at = due_.begin()->second;
    Delivery& delivery = open_.at(at);
    leave_stage(at, delivery);
    if (delivery.stage == Stage::unacked) {
      counters_.ack_timeouts.add();
      failed_for_now(at, delivery, "ack-timeout", "", std::nullopt);
    } else {
      make_ready(at, delivery);
    }
  }
  try_replay();
  send_ready();
  append();
  fetch();
  fetch_redrives();
  set_wake();
}

bool SubscriptionEngine::may_send() const {
  if (replay_ || in_flight_ + unacked_ >= policy_.concurrency) {
    return false;
  }
  if (!planted(Fault::send_while_paused) &&
      (progress_.pause.reason != PauseReason::none || control_dirty_ || control_appending_)) {
    return false;
  }
  return gate_ == Gate::open || (gate_ == Gate::closed && gate_until_ <= now_.mono);
}

void SubscriptionEngine::send_ready() {
  while (!ready_.empty() && may_send()) {
    const At at = next_to_send();
    Delivery& delivery = open_.at(at);
    leave_stage(at, delivery);
    const std::int64_t expires = delivery.arrived.expires;
    if (expires != 0 && expires <= wall_ms() && !planted(Fault::send_expired)) {
      decide(at, delivery, {.outcome = Outcome::expired, .step = {.verb = LetterVerb::expired}});
    } else {
      send(at, delivery);
    }
  }
}

void SubscriptionEngine::send(At at, Delivery& delivery) {
  delivery.stage = Stage::sent;
  delivery.token = next_token_++;
  delivery.last = wall_ms();
  if (delivery.attempts++ == 0) {
    delivery.first = delivery.last;
  } else {
    counters_.redelivered.add();
  }
  counters_.sent.add();
  ++in_flight_;
  redrives_out_ += is_redrive(at) ? 1 : 0;
  tokens_.emplace(delivery.token, at);
  if (gate_ == Gate::closed) {
    gate_ = Gate::probing;
    probe_ = delivery.token;
  }
  effects_.emplace_back(effect::Send{.token = delivery.token,
                                     .position = delivery.arrived.position,
                                     .event = delivery.arrived.event,
                                     .attempt = delivery.attempts,
                                     .replay = at <= progress_.replay_until || is_redrive(at),
                                     .letter = is_redrive(at) ? at - kFirstRedrive : 0});
  if (planted(Fault::ack_when_sent)) {
    leave_stage(at, delivery);
    acknowledge(at, delivery, "", 0);
  }
}

void SubscriptionEngine::append() {
  if (is_appending_ || (decided_.empty() && !control_dirty_)) {
    return;
  }
  effect::Append out{.replays = std::exchange(replay_begins_, false)};
  std::size_t bytes = 0;
  while (!decided_.empty() && bytes < kMaxAppendBytes && appending_.size() < kMaxSettlements) {
    Settlement next = std::move(decided_.front());
    decided_.pop_front();
    for (CausedEvent& each : next.caused) {
      // A dead letter is written a second time, with a row.
      bytes += (each.kind == CausedEvent::Kind::dead_letter ? 2 : 1) * size_of(each.event) + kRowBytes;
      out.caused.push_back(std::move(each));
    }
    next.caused.clear();
    if (is_redrive(next.at)) {
      std::ranges::move(outcome_of(next), std::back_inserter(out.letters));
    } else {
      progress_.settled.insert(next.at);
    }
    appending_.push_back(std::move(next));
  }
  // The mark stands before the first event that is not in `settled`.
  const auto first = std::ranges::find_if(
      open_, [this](const auto& each) { return !progress_.settled.contains(each.first); });
  const bool none = first == open_.end() || is_redrive(first->first);
  progress_.mark = none || planted(Fault::mark_skips_unsettled) ? read_to_ : first->first - 1;
  progress_.settled.erase(progress_.settled.begin(), progress_.settled.upper_bound(progress_.mark));
  if (progress_.skip_until <= progress_.mark) {
    progress_.skip_after = progress_.skip_until = 0;
  }
  is_appending_ = true;
  control_appending_ = std::exchange(control_dirty_, false);
  control_appending_waiters_ = std::exchange(control_waiters_, {});
  out.progress = progress_;
  effects_.emplace_back(std::move(out));
}

bool SubscriptionEngine::has_room() const {
  if (planted(Fault::no_bound)) {
    return true;
  }
  // What is being appended is in both, which errs on the safe side.
  return open_.size() - redrives_ + progress_.settled.size() < policy_.ahead &&
         bytes_ - redrive_bytes_ < policy_.ahead_bytes;
}

void SubscriptionEngine::fetch() {
  const bool room = has_room();
  if (room) {
    at_bound_ = false;
  } else if (!at_bound_ && ready_.empty() && decided_.empty() && !is_appending_ &&
             !progress_.settled.empty()) {
    at_bound_ = true;
    counters_.at_bound.add();
    alert(effect::Alert::Kind::at_bound, fmt::format("nothing more is read until event {} is settled",
                                                     open_.begin()->second.arrived.event->attribute("id")));
  }
  if (!room || fetching_ || replay_) {
    return;
  }
  if (read_to_ >= progress_.skip_after) {
    read_to_ = std::max(read_to_, progress_.skip_until);
  }
  const std::size_t used = open_.size() - redrives_ + progress_.settled.size();
  fetching_ = true;
  effects_.emplace_back(effect::Fetch{
      .fetch = next_fetch_++,
      .after = read_to_,
      .events = std::min(kFetchEvents, planted(Fault::no_bound) ? kFetchEvents : policy_.ahead - used)});
}

void SubscriptionEngine::set_wake() {
  Instant at = due_.empty() ? kNever : due_.begin()->first;
  if (gate_ == Gate::closed && !ready_.empty() && gate_until_ > now_.mono) {
    at = std::min(at, gate_until_);
  }
  if (at != armed_) {
    armed_ = at;
    effects_.emplace_back(effect::Wake{.at = at});
  }
}

SubscriptionView SubscriptionEngine::view() const {
  return {.progress = &progress_,
          .read_to = read_to_,
          .unsettled = open_.size() - redrives_,
          .in_flight = in_flight_,
          .unacknowledged = unacked_,
          .retrying = due_.size() - unacked_,
          .redriving = redrives_,
          .first_unsettled = open_.size() == redrives_ ? 0 : open_.begin()->first,
          .at_bound = at_bound_,
          .held_back = gate_ != Gate::open};
}

void SubscriptionEngine::reply(Waiter waiter, effect::Reply::What what, std::string detail) {
  if (waiter != 0) {
    effects_.emplace_back(effect::Reply{.waiter = waiter, .what = what, .detail = std::move(detail)});
  }
}

void SubscriptionEngine::alert(effect::Alert::Kind kind, std::string detail) {
  effects_.emplace_back(effect::Alert{.kind = kind, .detail = std::move(detail)});
}

DeliveryOrigin SubscriptionEngine::origin(const Delivery& delivery) const {
  return {.subscription = policy_.name,
          .topic = policy_.topic,
          .position = journal::Position(delivery.arrived.position, seat_.shard)};
}

}  // namespace flotilla::events
