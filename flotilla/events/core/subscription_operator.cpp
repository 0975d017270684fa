// What people ask of a subscription: pausing, resuming, going back, releasing a key.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/events/core/subscription_engine.hpp"

namespace flotilla::events {

std::string_view to_string(SubscriptionVerb verb) noexcept {
  constexpr std::array<std::string_view, 4> names{"pause", "resume", "replay", "release"};
  return names[static_cast<std::size_t>(verb)];
}

void SubscriptionEngine::on(input::Operate& in) {
  using What = effect::Reply::What;
  if (!loaded_) {
    reply(in.waiter, What::failed, "the subscription is being read; ask again");
    return;
  }
  switch (in.verb) {
    case SubscriptionVerb::pause:
      if (progress_.pause.reason != PauseReason::none) {
        reply(in.waiter, What::done);
        return;
      }
      pause(PauseReason::operator_, std::move(in.who_why));
      break;
    case SubscriptionVerb::resume:
      if (progress_.pause.reason == PauseReason::none) {
        reply(in.waiter, What::done);
        return;
      }
      progress_.pause = {};
      break;
    case SubscriptionVerb::release:
      if (!is_held(in.key)) {
        reply(in.waiter, What::unknown, fmt::format("no key '{}' is held back", in.key));
        return;
      }
      release(in.key);
      break;
    case SubscriptionVerb::replay:
      if (replay_) {
        reply(in.waiter, What::refused, "a replay is about to begin already");
      } else if (in.from > progress_.mark) {
        reply(in.waiter, What::refused, "a replay goes back, and the position lies ahead of what is settled");
      } else if (in.to != 0 && in.to <= in.from) {
        reply(in.waiter, What::refused, "a replay ends behind the position at which it begins");
      } else if (in.to != 0 && progress_.skip_until > progress_.mark) {
        reply(in.waiter, What::refused,
              "a replay of another range is under way; replay without an end, or wait until it is done");
      } else {
        replay_ = std::move(in);
      }
      return;
  }
  control_dirty_ = true;
  control_waiters_.push_back(in.waiter);
}

void SubscriptionEngine::pause(PauseReason reason, std::string detail) {
  if (progress_.pause.reason == PauseReason::none) {
    progress_.pause = {.reason = reason, .detail = std::move(detail), .since = wall_ms()};
  }
  control_dirty_ = true;
}

void SubscriptionEngine::release(const std::string& key) {
  progress_.held_keys.erase(key);
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) {
    return;
  }
  Delivery& next = open_.at(queue->second.front());
  if (next.stage == Stage::waiting) {
    make_ready(queue->second.front(), next);
  }
}

// When nothing is under way any more: what was sent is settled, or will be sent again.
void SubscriptionEngine::try_replay() {
  if (!replay_ || in_flight_ > 0 || is_appending_ || !decided_.empty() || control_dirty_) {
    return;
  }
  const input::Operate asked = *std::exchange(replay_, std::nullopt);
  SubscriptionProgress next = progress_;
  const At ahead = std::max({next.mark, next.skip_until, next.settled.empty() ? 0 : *next.settled.rbegin()});
  const At to = asked.to == 0 ? ahead : std::min(asked.to, ahead);
  next.replay_until = std::max(next.replay_until, to);
  next.settled.erase(next.settled.begin(), next.settled.upper_bound(to));
  const bool skips = to < next.mark && !planted(SubscriptionFault::replay_on_and_on);
  next.skip_after = skips ? to : 0;
  next.skip_until = !skips ? 0 : planted(SubscriptionFault::lose_behind_range) ? read_to_ : next.mark;
  next.mark = std::min(asked.from, next.mark);
  forget_all();
  progress_ = std::move(next);
  read_to_ = progress_.mark;
  replay_begins_ = true;
  control_dirty_ = true;
  control_waiters_.push_back(asked.waiter);
}

}  // namespace flotilla::events
