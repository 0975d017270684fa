#include "flotilla/events/core/compaction.hpp"

#include <algorithm>
#include <utility>

namespace flotilla::events {
namespace {

using Fault = CompactionFault;

constexpr std::int64_t kLifeMillis = kTombstoneLife / std::chrono::milliseconds(1);

}  // namespace

std::optional<compaction::Effect> Compaction::step(compaction::Input input) {
  return std::visit([this](auto& each) { return on(each); }, input);
}

bool Compaction::may_look(std::uint64_t end, std::int64_t now) const noexcept {
  const bool buries = grave_due_ != 0 && grave_due_ <= now;
  return phase_ == Phase::idle && (buries || (end > clean_ && end >= not_before_));
}

Compaction::Next Compaction::on(const compaction::Look& look) {
  // Where a cursor was moved back, what lies before it is clean, and is not touched.
  if (look.floor < clean_ || !may_look(look.floor, look.now)) {
    return std::nullopt;
  }
  floor_ = look.floor;
  now_ = look.now;
  dirty_ = 0;
  end_ = clean_;
  if (look.floor == clean_) {
    return begin_walk();
  }
  phase_ = Phase::reading;
  return compaction::Read{.after = clean_};
}

Compaction::Next Compaction::on(const compaction::Page& page) {
  return phase_ == Phase::reading ? read(page) : phase_ == Phase::walking ? walk(page) : std::nullopt;
}

Compaction::Next Compaction::read(const compaction::Page& page) {
  for (const KeyedEvent& event : page.events) {
    if (event.position > floor_ && !planted(Fault::ignore_floor)) {
      break;
    }
    if (!remember(event)) {
      if (planted(Fault::clean_too_far)) {
        end_ = floor_;
      }
      return begin_walk();
    }
    ++dirty_;
    end_ = event.position;
  }
  if (!page.at_end && page.next < floor_) {
    return compaction::Read{.after = page.next};
  }
  end_ = std::max(end_, floor_);
  const bool buries = grave_due_ != 0 && grave_due_ <= now_;
  if (dirty_ < worth() && !buries) {
    // Positions are of all topics, so there are at most as many new events as new positions.
    not_before_ = floor_ + (worth() - dirty_);
    return rest();
  }
  return begin_walk();
}

std::string Compaction::key_of(const KeyedEvent& event) const {
  return planted(Fault::mistake_keys) ? event.key.substr(0, 1) : event.key;
}

// False: it does not fit any more.
bool Compaction::remember(const KeyedEvent& event) {
  if (event.key.empty() && !planted(Fault::remove_keyless)) {
    return true;
  }
  const auto known = last_.find(key_of(event));
  if (known != last_.end()) {
    known->second = planted(Fault::remove_newest) ? known->second : event.position;
    return true;
  }
  const std::size_t bytes = key_bytes_ + event.key.size();
  const bool full = last_.size() >= limits_.keys || (bytes > limits_.key_bytes && !last_.empty());
  if (full && !planted(Fault::grow_without_bound)) {
    return false;
  }
  key_bytes_ = bytes;
  last_.emplace(key_of(event), event.position);
  return true;
}

Compaction::Next Compaction::begin_walk() {
  phase_ = Phase::walking;
  at_ = 0;
  left_ = 0;
  next_grave_ = 0;
  return compaction::Read{.after = 0};
}

bool Compaction::is_superseded(const KeyedEvent& event) const {
  if (event.key.empty() && !planted(Fault::remove_keyless)) {
    return false;
  }
  const auto last = last_.find(key_of(event));
  if (last == last_.end()) {
    return false;
  }
  return planted(Fault::remove_newest) ? last->second != event.position : last->second > event.position;
}

bool Compaction::is_due(const KeyedEvent& event) const {
  return event.tombstone && !event.key.empty() && !planted(Fault::never_bury) &&
         (event.time + kLifeMillis <= now_ || planted(Fault::bury_at_once));
}

Compaction::Next Compaction::walk(const compaction::Page& page) {
  compaction::Remove remove;
  bool beyond = false;
  for (const KeyedEvent& event : page.events) {
    if (event.position > end_) {
      beyond = true;
      break;
    }
    if (is_due(event) || (is_superseded(event) && !(planted(Fault::bury_first) && event.position % 2 == 0))) {
      remove.positions.push_back(event.position);
      continue;
    }
    ++left_;
    if (event.tombstone && !event.key.empty()) {
      const std::int64_t due = event.time + kLifeMillis;
      next_grave_ = next_grave_ == 0 ? due : std::min(next_grave_, due);
    }
  }
  at_ = page.next;
  walk_ends_ = beyond || page.at_end || page.next >= end_;
  if (remove.positions.empty()) {
    return go_on();
  }
  asked_ = remove.positions.size();
  phase_ = Phase::removing;
  return remove;
}

Compaction::Next Compaction::on(const compaction::Removed& removed) {
  if (phase_ != Phase::removing) {
    return std::nullopt;
  }
  if (removed.events < asked_ && !planted(Fault::take_all_for_removed)) {
    return on(compaction::Failed{});  // a cursor was moved back, or retention was there first
  }
  phase_ = Phase::walking;
  return go_on();
}

Compaction::Next Compaction::go_on() {
  if (!walk_ends_) {
    return compaction::Read{.after = at_};
  }
  ++rounds_;
  clean_ = end_;
  kept_ = left_;
  grave_due_ = planted(Fault::never_bury) ? 0 : next_grave_;
  not_before_ = clean_ + worth();
  return rest();
}

// What is clean stays clean; what was removed of the rest is gone.
Compaction::Next Compaction::on(const compaction::Failed& /*failed*/) {
  ++given_up_;
  return rest();
}

Compaction::Next Compaction::rest() {
  phase_ = Phase::idle;
  last_.clear();
  key_bytes_ = 0;
  return std::nullopt;
}

}  // namespace flotilla::events
