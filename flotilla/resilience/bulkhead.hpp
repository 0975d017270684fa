// A bulkhead: at most so many calls to one service at once, so many waiting, for so long.
//
// For: one per protected service, shared by all workers. A refusal is the bulkhead's own: it is no
// failure for a breaker, and may be retried elsewhere.
// Ownership: the owner keeps the bulkhead alive longer than its slots and waiters. A BulkheadSlot
// belongs to the work, not to the caller's patience: drop it when the work has really ended.
// Threads: any. Without waiters only one atomic word is touched; the mutex is taken by waiters, and
// by releases while somebody waits.
// Order: first come, first served: a released slot goes to the first waiter, and nobody overtakes.
// Limits: `concurrent` 1..2^21-1, `queue` 0..65536 (a waiter is a node in the caller's memory).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/resilience/core/bulkhead_count.hpp"

namespace flotilla::resilience {

struct BulkheadConfig {
  std::uint32_t concurrent = 0;
  std::uint32_t queue = 0;
  Duration wait{0};  // how long a waiter may wait; the caller keeps the timer and calls `cancel`
};

class Bulkhead;

// One place in a bulkhead. Move-only; destruction gives it back.
class BulkheadSlot {
 public:
  BulkheadSlot() noexcept = default;
  BulkheadSlot(BulkheadSlot&& other) noexcept : bulkhead_(std::exchange(other.bulkhead_, nullptr)) {}
  BulkheadSlot& operator=(BulkheadSlot&& other) noexcept {
    if (this != &other) {
      release();
      bulkhead_ = std::exchange(other.bulkhead_, nullptr);
    }
    return *this;
  }
  BulkheadSlot(const BulkheadSlot&) = delete;
  BulkheadSlot& operator=(const BulkheadSlot&) = delete;
  ~BulkheadSlot() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return bulkhead_ != nullptr; }
  void release() noexcept;

 private:
  friend class Bulkhead;
  explicit BulkheadSlot(Bulkhead* bulkhead) noexcept : bulkhead_(bulkhead) {}
  Bulkhead* bulkhead_ = nullptr;
};

// A place in the queue; lives in the waiting coroutine's frame and must not move while it waits.
// Destroying a waiter cancels it, and gives back a slot it was granted but did not take.
class BulkheadWaiter {
 public:
  // `wake(context)` is called once, from the thread that releases a slot, when the waiter is granted
  // one. It is called under the bulkhead's mutex, so that a cancelled waiter can never be woken
  // afterwards: it must only post to the waiter's loop, and not call the bulkhead.
  using Wake = void (*)(void* context) noexcept;
  BulkheadWaiter(Wake wake, void* context) noexcept : wake_(wake), context_(context) {}
  BulkheadWaiter(const BulkheadWaiter&) = delete;
  BulkheadWaiter& operator=(const BulkheadWaiter&) = delete;
  ~BulkheadWaiter();

 private:
  friend class Bulkhead;
  enum class State : std::uint8_t { idle, waiting, granted };
  Wake wake_;
  void* context_;
  Bulkhead* bulkhead_ = nullptr;  // while waiting or granted
  BulkheadWaiter* next_ = nullptr;
  BulkheadWaiter* previous_ = nullptr;
  State state_ = State::idle;  // under the bulkhead's mutex: one change decides between grant and cancel
};

class Bulkhead {
 public:
  // What `enter` did.
  enum class Entered : std::uint8_t { slot, waiting, full };

  [[nodiscard]] static Result<std::unique_ptr<Bulkhead>> create(const BulkheadConfig& config);
  ~Bulkhead();
  Bulkhead(const Bulkhead&) = delete;
  Bulkhead& operator=(const Bulkhead&) = delete;

  // A slot, or an empty one if none is free. Never queues, never locks.
  [[nodiscard]] BulkheadSlot try_enter() noexcept {
    return count_.try_take() ? BulkheadSlot(this) : BulkheadSlot();
  }

  // A slot at once (put into `slot`), a place in the queue (`waiter` is woken, or cancelled by the
  // caller after at most `max_wait`), or nothing because the queue is full.
  [[nodiscard]] Entered enter(BulkheadSlot& slot, BulkheadWaiter& waiter);

  // After `enter` said waiting: the slot if it was granted, else an empty one, and the waiter has left
  // the queue (the reason is then a wait timeout). Call it when woken, and when the wait ends.
  [[nodiscard]] BulkheadSlot take_or_cancel(BulkheadWaiter& waiter) noexcept;

  // Never blocks on calls in flight; raising the limits lets waiters in at once. The shorter queue
  // only concerns new waiters. Same errors as `create`.
  [[nodiscard]] Result<> reconfigure(const BulkheadConfig& config);

  [[nodiscard]] Duration max_wait() const noexcept {
    return Duration{max_wait_.load(std::memory_order_relaxed)};
  }
  [[nodiscard]] BulkheadCounts counts() const noexcept { return count_.read(); }

 private:
  friend class BulkheadSlot;
  explicit Bulkhead(const BulkheadConfig& config) noexcept;

  void release() noexcept;
  void grant_waiters() noexcept;                 // under mutex_
  void unlink(BulkheadWaiter& waiter) noexcept;  // under mutex_

  BulkheadCount count_;
  std::atomic<std::uint32_t> queue_;
  std::atomic<Duration::rep> max_wait_;
  std::mutex mutex_;
  BulkheadWaiter* first_ = nullptr;
  BulkheadWaiter* last_ = nullptr;
};

}  // namespace flotilla::resilience
