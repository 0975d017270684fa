#include "flotilla/events/core/queue_engine.hpp"

#include <algorithm>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::events {
namespace {

constexpr double kLeastPace = 1e-6;

Instant clock_at(const Now& now, std::int64_t wall) {
  constexpr std::int64_t kFar = 4'000'000'000'000;  // in 2096: it fits nanoseconds
  const std::int64_t left = std::min(wall, kFar) * 1'000'000 - now.wall.ns_since_epoch;
  return saturating_add(now.mono, Duration(std::max<std::int64_t>(left, 0)));
}

Duration gap_of(double pace) { return Duration(static_cast<std::int64_t>(1e9 / std::max(pace, kLeastPace))); }

}  // namespace

QueueEngine::QueueEngine(QueuePolicy policy, std::uint64_t seed, QueueCounters& counters, QueueFault planted)
    : policy_(std::move(policy)), counters_(counters), planted_(planted), random_(seed) {}

QueueEffects QueueEngine::step(QueueInput input, Now now) {
  now_ = now;
  effects_.clear();
  if (!stopped_) {
    std::visit([this](auto& in) { on(in); }, input);
  } else if (const auto* const offer = std::get_if<queue_input::Offer>(&input)) {
    reply_offer(offer->waiter, QueueOffer::failed, "another process has the journal");
  } else if (const auto* const asked = std::get_if<queue_input::Operate>(&input)) {
    reply(asked->waiter, false, "another process has the journal");
  }
  if (loaded_ && !stopped_) {
    progress();
  }
  return std::move(effects_);
}

void QueueEngine::on(queue_input::Load& in) {
  loaded_ = true;
  dead_ = in.dead;
  for (QueueItem& item : in.open) {
    const At at = item.stream.value();
    if (planted(QueueFault::trust_sending) && item.state == QueueState::sending) {
      item.certainty = Certainty::never_sent;
    }
    const Instant due = item.due == 0 ? now_.mono : clock_at(now_, item.due);
    bytes_ += item.bytes;
    key_waits(item.key, 1);
    enter(at, std::move(item), due);
  }
  for (auto& [at, open] : open_) {
    if (open.item.certainty == Certainty::unknown && !may_resend(open.item)) {
      bury(at, open, QueueDeadReason::unknown,
           {.certainty = Certainty::unknown, .attempts = open.item.attempts, .code = "interrupted"});
    } else if (open.item.attempts >= policy_.retry.attempts) {
      // Also of a call that takes the process down each time.
      bury(at, open, QueueDeadReason::exhausted,
           {.certainty = open.item.certainty, .attempts = open.item.attempts, .code = "interrupted"});
    }
  }
}

void QueueEngine::on(queue_input::Offer& in) {
  if (!loaded_) {
    reply_offer(in.waiter, QueueOffer::failed, "the queue is not read yet");
    return;
  }
  const bool full =
      open_.size() + offered_ + dead_ >= policy_.items || bytes_ + in.item.bytes > policy_.bytes;
  if (full && !planted(QueueFault::no_bound)) {
    reply_offer(in.waiter, QueueOffer::full);
    return;
  }
  ++offered_;
  bytes_ += in.item.bytes;
  key_waits(in.item.key, 1);
  in.item.state = QueueState::pending;
  if (planted(QueueFault::accept_before_durable)) {
    reply_offer(std::exchange(in.waiter, 0), QueueOffer::accepted);
  }
  append(0, in.waiter,
         {.item = std::move(in.item), .type = QueueRecord::accepted, .accepted = std::move(in.request)});
}

void QueueEngine::on(queue_input::Appended& in) {
  const auto found = ops_.find(in.op);
  if (found == ops_.end()) {
    return;  // of before a Reload
  }
  Op op = std::move(found->second);
  ops_.erase(found);
  const auto open = open_.find(op.at);
  switch (op.type) {
    case QueueRecord::accepted:
      --offered_;
      op.item.stream = in.stream;
      enter(in.stream.value(), std::move(op.item), now_.mono);
      reply_offer(op.waiter, QueueOffer::accepted);
      return;
    case QueueRecord::sending: {
      Open& it = open->second;
      it.stage = Stage::sent;
      it.token = next_token_++;
      tokens_.emplace(it.token, op.at);
      if (!planted(QueueFault::send_before_durable)) {
        effects_.emplace_back(queue_effect::Send{.token = it.token, .item = it.item});
      }
      return;
    }
    case QueueRecord::outcome:
      settled(op.at, open->second);
      return;
    case QueueRecord::requeued:
      --dead_;
      counters_.requeued.add();
      bytes_ += op.item.bytes;
      key_waits(op.item.key, 1);
      enter(op.item.stream.value(), std::move(op.item), now_.mono);
      reply(op.waiter, true);
      return;
    case QueueRecord::removed:
      counters_.removed.add();
      if (op.at == 0) {
        --dead_;
      } else {
        erase(op.at);
      }
      reply(op.waiter, true);
      return;
  }
}

void QueueEngine::on(queue_input::AppendFailed& in) {
  using What = queue_input::AppendFailed::What;
  const auto found = ops_.find(in.op);
  if (found == ops_.end()) {
    return;
  }
  if (planted(QueueFault::forget_failed_append) && found->second.type == QueueRecord::outcome) {
    queue_input::Appended good{.op = in.op, .stream = {}};
    on(good);
    return;
  }
  const Op op = std::move(found->second);
  ops_.erase(found);
  const bool offered = op.type == QueueRecord::accepted;
  if (offered) {
    --offered_;
    bytes_ -= op.item.bytes;
    key_waits(op.item.key, -1);
    const QueueOffer became = in.what == What::key_taken    ? QueueOffer::duplicate
                              : in.what == What::key_reused ? QueueOffer::key_reused
                              : in.what == What::too_large  ? QueueOffer::too_large
                                                            : QueueOffer::failed;
    reply_offer(op.waiter, became, in.detail, in.what == What::unknown, in.holder);
  } else if (op.waiter != 0) {
    reply(op.waiter, false, in.what == What::conflict ? "it has changed meanwhile" : in.detail);
  }
  const bool theirs = in.what == What::key_taken || in.what == What::key_reused ||
                      in.what == What::too_large || in.what == What::not_kept;
  if (in.what == What::stale_epoch) {
    give_up_offers();
    stopped_ = true;
    effects_.emplace_back(queue_effect::Stop{});
  } else if (!(offered && theirs) && !(in.what == What::conflict && op.at == 0)) {
    counters_.reloads.add();
    give_up_offers();
    forget_all();
    effects_.emplace_back(queue_effect::Reload{});
  }
}

// Of what is under way nobody knows now whether it was written.
void QueueEngine::give_up_offers() {
  for (const auto& [number, op] : ops_) {
    if (op.waiter == 0) {
      continue;
    }
    if (op.type == QueueRecord::accepted) {
      reply_offer(op.waiter, QueueOffer::failed, "the journal has failed", true);
    } else {
      reply(op.waiter, false, "the journal has failed: it may have been done");
    }
  }
}

void QueueEngine::forget_all() {
  loaded_ = false;
  open_.clear();
  ids_.clear();
  lines_.clear();
  busy_.clear();
  waiting_.clear();
  ready_.clear();
  due_.clear();
  expiries_.clear();
  tokens_.clear();
  ops_.clear();
  offered_ = dead_ = in_flight_ = 0;
  bytes_ = 0;
  armed_ = kNever;
}

void QueueEngine::on(queue_input::Timer& /*in*/) { armed_ = kNever; }

void QueueEngine::on(queue_input::Weather& in) {
  pace_ = in.pace;
  if (std::exchange(gate_, in.gate) == QueueGate::closed && gate_ != QueueGate::closed) {
    // Not all queues of all processes at the same moment.
    const auto gap = static_cast<std::uint64_t>(gap_of(pace_).count());
    next_send_ =
        std::max(next_send_, now_.mono + Duration(static_cast<std::int64_t>(random_.below(gap + 1))));
  }
}

void QueueEngine::on(queue_input::Drain& /*in*/) { draining_ = true; }

// The first of its key, and none of that key is under way: a dead letter that a person sends again may stand
// before one that is.
bool QueueEngine::has_its_turn(At at, const std::string& key) const {
  if (key.empty() || planted(QueueFault::key_overtakes)) {
    return true;
  }
  const auto line = lines_.find(key);
  return !busy_.contains(key) &&
         (line == lines_.end() || line->second.empty() || *line->second.begin() >= at);
}

void QueueEngine::promote(const std::string& key) {
  const auto line = lines_.find(key);
  if (line == lines_.end() || line->second.empty()) {
    return;
  }
  const At next = *line->second.begin();
  const Open& open = open_.at(next);
  if (open.stage == Stage::waiting && open.due <= now_.mono && has_its_turn(next, key)) {
    ready_.insert(next);
  }
}

void QueueEngine::enter(At at, QueueItem item, Instant due) {
  ids_.insert_or_assign(item.id, at);
  if (!item.key.empty()) {
    lines_[item.key].insert(at);
  }
  Open& open = open_.insert_or_assign(at, Open{.item = std::move(item), .due = due}).first->second;
  wait(at, open);
}

void QueueEngine::wait(At at, Open& open) {
  open.stage = Stage::waiting;
  expiries_.emplace(open.item.expires, at);
  if (open.due > now_.mono) {
    due_.emplace(open.due, at);
  } else if (has_its_turn(at, open.item.key)) {
    ready_.insert(at);
  }
}

void QueueEngine::leave(At at, const Open& open) {
  ready_.erase(at);
  due_.erase({open.due, at});
  expiries_.erase({open.item.expires, at});
}

void QueueEngine::erase(At at) {
  const auto found = open_.find(at);
  FLOTILLA_ASSERT(found != open_.end());
  const std::string key = found->second.item.key;
  bytes_ -= found->second.item.bytes;
  ids_.erase(found->second.item.id);
  leave(at, found->second);
  open_.erase(found);
  if (const auto line = lines_.find(key); line != lines_.end()) {
    line->second.erase(at);
    if (line->second.empty()) {
      lines_.erase(line);
    }
  }
  promote(key);
  key_waits(key, -1);
}

void QueueEngine::key_waits(const std::string& key, int change) {
  if (key.empty()) {
    return;
  }
  std::size_t& count = waiting_[key];
  count = change > 0 ? count + 1 : count - 1;
  if (count == 0 || (change > 0 && count == 1)) {
    effects_.emplace_back(queue_effect::KeyWaits{.key = key, .waits = count > 0});
  }
  if (count == 0) {
    waiting_.erase(key);
  }
}

void QueueEngine::progress() {
  while (!due_.empty() && due_.begin()->first <= now_.mono) {
    const At at = due_.begin()->second;
    due_.erase(due_.begin());
    if (has_its_turn(at, open_.at(at).item.key)) {
      ready_.insert(at);
    }
  }
  if (!planted(QueueFault::never_expires)) {
    expire();
  }
  while (!ready_.empty() && may_send()) {
    const At at = *ready_.begin();
    if (Open& open = open_.at(at); has_its_turn(at, open.item.key)) {
      claim(at, open);
    } else {
      ready_.erase(at);  // promote() brings it back
    }
  }
  set_wake();
}

void QueueEngine::expire() {
  while (!expiries_.empty() && expiries_.begin()->first <= wall_ms()) {
    const At at = expiries_.begin()->second;
    Open& open = open_.at(at);
    OutcomeRecord outcome{
        .certainty = open.item.certainty, .attempts = open.item.attempts, .code = open.item.code};
    bury(at, open, QueueDeadReason::expired, std::move(outcome));
  }
}

std::size_t QueueEngine::most_in_flight() const {
  return gate_ == QueueGate::probe || trouble_ > 0 ? 1 : policy_.concurrency;
}

bool QueueEngine::may_send() const {
  return !draining_ && (gate_ != QueueGate::closed || planted(QueueFault::ignore_gate)) &&
         in_flight_ < most_in_flight() && now_.mono >= blocked_until_ &&
         (now_.mono >= next_send_ || planted(QueueFault::ignore_pace));
}

void QueueEngine::claim(At at, Open& open) {
  leave(at, open);
  open.stage = Stage::claiming;
  open.before = open.item.certainty;
  QueueItem& item = open.item;
  counters_.attempts[static_cast<std::size_t>(item.certainty)].add();
  ++item.attempts;
  ++item.version;
  item.state = QueueState::sending;
  item.certainty = Certainty::unknown;
  item.forced = false;
  ++in_flight_;
  if (!item.key.empty()) {
    busy_.insert_or_assign(item.key, at);
  }
  next_send_ = saturating_add(std::max(now_.mono, next_send_), gap_of(pace_));
  append(at, 0, {.item = item, .type = QueueRecord::sending, .sending = {.attempt = item.attempts}});
  if (planted(QueueFault::send_before_durable)) {
    effects_.emplace_back(queue_effect::Send{.token = next_token_, .item = item});
  }
}

void QueueEngine::set_wake() {
  Instant at = due_.empty() ? kNever : due_.begin()->first;
  if (!expiries_.empty() && !planted(QueueFault::never_expires)) {
    at = std::min(at, clock_at(now_, expiries_.begin()->first));
  }
  if (!ready_.empty() && !draining_ && gate_ != QueueGate::closed && in_flight_ < most_in_flight()) {
    at = std::min(at, std::max(next_send_, blocked_until_));
  }
  if (at != armed_) {
    armed_ = at;
    effects_.emplace_back(queue_effect::Wake{.at = at});
  }
}

std::uint64_t QueueEngine::append(At at, Waiter waiter, queue_effect::Append effect) {
  effect.op = next_op_++;
  const bool keeps = effect.type == QueueRecord::accepted || effect.type == QueueRecord::requeued;
  ops_.emplace(
      effect.op,
      Op{.at = at, .waiter = waiter, .item = keeps ? effect.item : QueueItem(), .type = effect.type});
  const std::uint64_t op = effect.op;
  effects_.emplace_back(std::move(effect));
  return op;
}

void QueueEngine::reply_offer(Waiter waiter, QueueOffer offer, std::string detail, bool maybe_kept,
                              journal::StreamId holder) {
  counters_.offers[static_cast<std::size_t>(offer)].add();
  if (waiter != 0) {
    effects_.emplace_back(queue_effect::Reply{.waiter = waiter,
                                              .offer = offer,
                                              .holder = holder,
                                              .maybe_kept = maybe_kept,
                                              .detail = std::move(detail)});
  }
}

void QueueEngine::reply(Waiter waiter, bool done, std::string detail) {
  if (waiter != 0) {
    effects_.emplace_back(queue_effect::Reply{.waiter = waiter, .done = done, .detail = std::move(detail)});
  }
}

std::int64_t QueueEngine::wall_of(Instant at) const noexcept {
  constexpr std::int64_t kMilli = 1'000'000;
  const std::int64_t exact = now_.wall.ns_since_epoch + std::max(at - now_.mono, Duration::zero()).count();
  return (exact + kMilli - 1) / kMilli;  // never too early
}

QueueView QueueEngine::view() const {
  return {.open = open_.size(),
          .in_flight = in_flight_,
          .dead = dead_,
          .bytes = bytes_,
          .oldest = open_.empty() ? 0 : open_.begin()->second.item.accepted,
          .gate = gate_,
          .troubled = trouble_ > 0};
}

const QueueItem* QueueEngine::find(const Ulid& id) const {
  const auto found = ids_.find(id);
  return found == ids_.end() ? nullptr : &open_.at(found->second).item;
}

}  // namespace flotilla::events
