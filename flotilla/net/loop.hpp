// One event loop per thread: epoll, a lazy timer wheel, a queue of coroutines to resume, and a door for
// other threads.
//
// Ownership: a Loop owns its descriptors and its read buffer; sources (channels, listeners, ...) register
// themselves and must be gone before it is. Threads: everything but post(), stop() and the constructor
// belongs to the thread that called run(). Limits: 256 events a turn; the read buffer is 64 KiB; the
// number of posted functions is not bounded here, posters bound themselves.
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <sys/epoll.h>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/net/core/timer_wheel.hpp"

namespace flotilla::net {

// Something with a descriptor in the epoll set.
class EventSource {
 public:
  EventSource() = default;
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;
  virtual ~EventSource() = default;
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  friend class Loop;
  // What on_events will touch besides the source: the loop has it fetched into the cache while the event
  // before is served, because with hundreds of connections it has left the cache since it was used last.
  const void* touched_next_ = nullptr;
};

// A suspended coroutine that shall be resumed in this or the next turn. Unlinks itself when destroyed,
// so a cancelled coroutine is never resumed.
class ReadyNode {
 public:
  ReadyNode() = default;
  ReadyNode(const ReadyNode&) = delete;
  ReadyNode& operator=(const ReadyNode&) = delete;
  ~ReadyNode() { unlink(); }

 private:
  friend class Loop;
  void unlink() noexcept {
    if (prev_ != nullptr) {
      prev_->next_ = next_;
      next_->prev_ = prev_;
      prev_ = next_ = nullptr;
    }
  }
  ReadyNode* prev_ = nullptr;
  ReadyNode* next_ = nullptr;
  std::coroutine_handle<> handle_;
};

// A function to be called once, when all events of this turn are served. Unlinks itself when destroyed.
class TurnEnd {
 public:
  TurnEnd(void (*call)(void*), void* context) noexcept : call_(call), context_(context) {}
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;
  ~TurnEnd() { unlink(); }

 private:
  friend class Loop;
  void unlink() noexcept {
    if (place_ != nullptr) {
      *place_ = next_;
      if (next_ != nullptr) {
        next_->place_ = place_;
      }
      place_ = nullptr;
    }
  }
  void (*call_)(void*);
  void* context_;
  TurnEnd** place_ = nullptr;  // what points to this; nullptr: not waiting
  TurnEnd* next_ = nullptr;
};

class Loop {
 public:
  static constexpr std::size_t kReadBufferSize = std::size_t{64} * 1024;

  static Result<std::unique_ptr<Loop>> create();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // Serves events until stop(). The loop is `current()` on this thread meanwhile.
  void run();
  // Any thread. run() returns at the end of its turn.
  void stop();
  // Any thread. Runs `function` on the loop's thread; functions from one thread keep their order.
  void post(std::move_only_function<void()> function);

  // The time of this turn.
  [[nodiscard]] Instant now() const noexcept { return now_; }
  [[nodiscard]] static Loop* current() noexcept;

  void arm(Timer& timer, Instant deadline) noexcept { wheel_.arm(timer, deadline); }
  // Resumes `handle` after the current event, unless `node` is destroyed first.
  void make_ready(ReadyNode& node, std::coroutine_handle<> handle) noexcept;

  // Calls `end` when the events of this turn are served, and the coroutines they made ready resumed; in the
  // next turn if that is over. Once, however often it is asked for. Order is not kept.
  void at_turn_end(TurnEnd& end) noexcept;

  // For sources. Registration fails only for want of kernel memory.
  [[nodiscard]] bool watch(int fd, std::uint32_t events, EventSource& source) noexcept;
  void rewatch(int fd, std::uint32_t events, EventSource& source) noexcept;
  void unwatch(int fd) noexcept;
  // Deletes `source` after this turn's events, some of which may still name it.
  void retire(std::unique_ptr<EventSource> source);

  // One buffer for whoever reads now; its content is valid until the next await.
  [[nodiscard]] std::span<char> read_buffer() noexcept { return {read_buffer_.get(), kReadBufferSize}; }

 private:
  Loop(int epoll_fd, int wake_fd);
  [[nodiscard]] int wait_millis() const noexcept;
  void serve(std::span<const epoll_event> events);
  void run_posted();
  void resume_ready();
  void end_turn() noexcept;

  class Wakeup;
  int epoll_fd_;
  std::unique_ptr<Wakeup> wakeup_;
  Instant now_;
  TimerWheel wheel_;
  ReadyNode ready_;
  TurnEnd* turn_ends_ = nullptr;
  std::unique_ptr<char[]> read_buffer_;
  std::vector<std::unique_ptr<EventSource>> retired_;
  std::atomic<bool> stopping_{false};
  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;  // guarded by posted_mutex_
  std::atomic<bool> has_posted_{false};
};

}  // namespace flotilla::net
