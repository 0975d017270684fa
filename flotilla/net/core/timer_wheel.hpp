// A lazy timer wheel: moving a deadline later costs one store, so a timeout can be refreshed on every
// operation of every connection.
//
// For: deadlines of channels, sleeps, waits. A timer that is re-armed later stays in its old slot; when
// that slot comes up the timer is put where it now belongs. A timer that is disarmed stays likewise and
// is dropped then.
// Ownership: timers are owned by whoever embeds them and unlink themselves when destroyed; the wheel
// must outlive them. Threads: one. Limits: resolution 4 ms (a timer fires 0..4 ms late, never early);
// deadlines further than 4 s ahead are looked at once per turn of the wheel.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "flotilla/base/time.hpp"

namespace flotilla::net {

class TimerWheel;

class Timer {
 public:
  using Callback = void (*)(void* context);

  Timer(Callback callback, void* context) noexcept : callback_(callback), context_(context) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { unlink(); }

  [[nodiscard]] Instant deadline() const noexcept { return deadline_; }
  // Never fires until armed again. Costs one store.
  void disarm() noexcept { deadline_ = kNever; }

 private:
  friend class TimerWheel;
  struct Link {
    Link* prev = nullptr;
    Link* next = nullptr;
  };
  struct Node : Link {
    Timer* timer = nullptr;
  };

  void unlink() noexcept {
    if (node_.prev != nullptr) {
      node_.prev->next = node_.next;
      node_.next->prev = node_.prev;
      node_.prev = node_.next = nullptr;
    }
  }
  [[nodiscard]] bool linked() const noexcept { return node_.prev != nullptr; }

  Node node_{{}, this};
  Callback callback_;
  void* context_;
  Instant deadline_ = kNever;
  std::uint64_t queued_tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr std::size_t kSlots = 1024;
  static constexpr Duration kTick = std::chrono::milliseconds(4);

  explicit TimerWheel(Instant now) noexcept;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Fires `timer` once at or after `deadline`; replaces an earlier arming.
  void arm(Timer& timer, Instant deadline) noexcept;

  // Fires everything due at `now`. Callbacks may arm, disarm and destroy any timer.
  void advance(Instant now);

  // How long the owner may sleep from `now`; nothing when no timer is linked.
  [[nodiscard]] std::optional<Duration> next_wait(Instant now) const noexcept;

 private:
  [[nodiscard]] static std::uint64_t tick_of(Instant at) noexcept;
  void link(Timer& timer) noexcept;
  void fire_slot(std::size_t slot, Instant now);

  std::array<Timer::Link, kSlots> slots_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};
  std::uint64_t current_;
};

}  // namespace flotilla::net
