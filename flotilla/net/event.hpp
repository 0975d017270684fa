// Waiting on one's own loop: for another coroutine's signal (Event) or for time to pass (sleep_until).
//
// Ownership: an Event must outlive nobody: waiters unlink themselves when destroyed, and an Event that is
// destroyed first leaves its waiters waiting for their deadline. Threads: one loop; to signal from
// another thread, Loop::post a function that sets the event.
#pragma once

#include <coroutine>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::net {

// Sleeps to `deadline`; destroying the sleeper is fine.
class SleepAwaiter {
 public:
  SleepAwaiter(Loop& loop, Instant deadline) noexcept
      : loop_(loop),
        deadline_(deadline),
        timer_([](void* self) { static_cast<SleepAwaiter*>(self)->handle_.resume(); }, this) {}
  bool await_ready() const noexcept { return deadline_ <= loop_.now(); }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    handle_ = handle;
    loop_.arm(timer_, deadline_);
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
  Instant deadline_;
  Timer timer_;
  std::coroutine_handle<> handle_;
};

[[nodiscard]] inline SleepAwaiter sleep_until(Loop& loop, Instant deadline) noexcept {
  return {loop, deadline};
}
[[nodiscard]] inline SleepAwaiter sleep_for(Loop& loop, Duration duration) noexcept {
  return {loop, saturating_add(loop.now(), duration)};
}

// set() wakes everyone who waits now; it is not remembered, so check the condition before and after
// waiting. wait(deadline) gives false when the deadline came first.
class Event {
 public:
  class Awaiter {
   public:
    Awaiter(Event& event, Instant deadline) noexcept
        : event_(event),
          deadline_(deadline),
          timer_([](void* self) { static_cast<Awaiter*>(self)->expire(); }, this) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() { leave(); }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      handle_ = handle;
      prev_ = &event_.first_;
      // At the front: nobody relies on the order, and it costs nothing.
      next_ = event_.first_;
      if (next_ != nullptr) {
        next_->prev_ = &next_;
      }
      event_.first_ = this;
      if (deadline_ != kNever) {
        Loop::current()->arm(timer_, deadline_);
      }
    }
    bool await_resume() noexcept { return signalled_; }

   private:
    friend class Event;
    void leave() noexcept {
      if (prev_ != nullptr) {
        *prev_ = next_;
        if (next_ != nullptr) {
          next_->prev_ = prev_;
        }
        prev_ = nullptr;
      }
    }
    void expire() {
      leave();
      handle_.resume();
    }
    Event& event_;
    Instant deadline_;
    Timer timer_;
    ReadyNode ready_;
    Awaiter** prev_ = nullptr;
    Awaiter* next_ = nullptr;
    std::coroutine_handle<> handle_;
    bool signalled_ = false;
  };

  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() {
    while (first_ != nullptr) {
      first_->leave();
    }
  }

  void set() noexcept {
    while (first_ != nullptr) {
      Awaiter& waiter = *first_;
      waiter.leave();
      waiter.signalled_ = true;
      waiter.timer_.disarm();
      Loop::current()->make_ready(waiter.ready_, waiter.handle_);
    }
  }
  [[nodiscard]] Awaiter wait(Instant deadline = kNever) noexcept { return Awaiter(*this, deadline); }
  [[nodiscard]] bool waited() const noexcept { return first_ != nullptr; }

 private:
  Awaiter* first_ = nullptr;
};

}  // namespace flotilla::net
