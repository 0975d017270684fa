#include "flotilla/net/core/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace flotilla::net {

TimerWheel::TimerWheel(Instant now) noexcept : current_(tick_of(now)) {
  for (Timer::Link& slot : slots_) {
    slot.prev = slot.next = &slot;
  }
}

// The first tick at which `at` has passed, so that nothing fires early.
std::uint64_t TimerWheel::tick_of(Instant at) noexcept {
  const auto ns = std::max<std::int64_t>(at.time_since_epoch().count(), 0);
  return static_cast<std::uint64_t>(ns) / static_cast<std::uint64_t>(kTick.count());
}

void TimerWheel::link(Timer& timer) noexcept {
  const std::uint64_t due = timer.deadline_ == kNever ? current_ + kSlots : tick_of(timer.deadline_) + 1;
  timer.queued_tick_ = std::clamp(due, current_ + 1, current_ + kSlots - 1);
  const std::size_t slot = timer.queued_tick_ % kSlots;
  Timer::Link& head = slots_[slot];
  timer.node_.prev = head.prev;
  timer.node_.next = &head;
  head.prev->next = &timer.node_;
  head.prev = &timer.node_;
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void TimerWheel::arm(Timer& timer, Instant deadline) noexcept {
  timer.deadline_ = deadline;
  if (timer.linked()) {
    if (deadline == kNever || timer.queued_tick_ <= tick_of(deadline) + 1) {
      return;  // it will be looked at early enough
    }
    timer.unlink();
  } else if (deadline == kNever) {
    return;
  }
  link(timer);
}

void TimerWheel::fire_slot(std::size_t slot, Instant now) {
  Timer::Link& head = slots_[slot];
  occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  if (head.next == &head) {
    return;
  }
  // Move the list aside: callbacks may link into this very slot again.
  Timer::Link due{head.prev, head.next};
  due.prev->next = &due;
  due.next->prev = &due;
  head.prev = head.next = &head;
  while (due.next != &due) {
    Timer& timer = *static_cast<Timer::Node*>(due.next)->timer;
    timer.unlink();
    if (timer.deadline_ == kNever) {
      continue;
    }
    if (timer.deadline_ <= now) {
      timer.deadline_ = kNever;
      timer.callback_(timer.context_);
    } else {
      link(timer);
    }
  }
}

void TimerWheel::advance(Instant now) {
  const std::uint64_t target = tick_of(now);
  if (target <= current_) {
    return;
  }
  const std::uint64_t steps = std::min<std::uint64_t>(target - current_, kSlots);
  const std::uint64_t first = target - steps + 1;
  for (std::uint64_t tick = first; tick <= target; ++tick) {
    const std::size_t slot = tick % kSlots;
    // Skip whole words of empty slots: most of a long sleep is empty.
    if (occupied_[slot / 64] == 0) {
      tick += 63 - slot % 64;
      continue;
    }
    current_ = tick;
    if ((occupied_[slot / 64] >> (slot % 64) & 1U) != 0) {
      fire_slot(slot, now);
    }
  }
  current_ = target;
}

std::optional<Duration> TimerWheel::next_wait(Instant now) const noexcept {
  for (std::uint64_t ahead = 1; ahead < kSlots + 64;) {
    const std::size_t slot = (current_ + ahead) % kSlots;
    const std::uint64_t word = occupied_[slot / 64] >> (slot % 64);
    if (word == 0) {
      ahead += 64 - slot % 64;
      continue;
    }
    const std::uint64_t tick = current_ + ahead + static_cast<std::uint64_t>(std::countr_zero(word));
    const Instant at{kTick * static_cast<std::int64_t>(tick)};
    return std::max(at - now, Duration::zero());
  }
  return std::nullopt;
}

}  // namespace flotilla::net
