// The counting of a bulkhead: how many calls are in flight, may be, and wait, in one word.
//
// For: flotilla/resilience/bulkhead.hpp, which adds the queue. One word, so that no two threads can
// both take the last slot, and no slot is released past a waiter that has just queued.
// Threads: any; lock-free. Only the holder of the queue's lock may call the *waiter* functions.
// Limits: 2^21 - 1 calls in flight, as many waiting, limit up to 2^21 - 1.
#pragma once

#include <atomic>
#include <cstdint>

namespace flotilla::resilience {

struct BulkheadCounts {
  std::uint32_t in_flight = 0;
  std::uint32_t limit = 0;
  std::uint32_t waiting = 0;
};

class BulkheadCount {
 public:
  static constexpr std::uint32_t kMost = (1U << 21) - 1;

  explicit BulkheadCount(std::uint32_t limit) noexcept : word_(pack({0, limit, 0})) {}

  // Takes a slot unless all are taken or somebody waits for one.
  [[nodiscard]] bool try_take() noexcept {
    return change([](BulkheadCounts& c) {
      if (c.in_flight >= c.limit || c.waiting != 0) {
        return false;
      }
      ++c.in_flight;
      return true;
    });
  }

  // Gives a slot back unless somebody waits: then the caller hands it on under the queue's lock.
  [[nodiscard]] bool try_release() noexcept {
    return change([](BulkheadCounts& c) {
      if (c.waiting != 0) {
        return false;
      }
      --c.in_flight;
      return true;
    });
  }

  // A waiter queues if nobody may pass at once and the queue has room.
  [[nodiscard]] bool add_waiter(std::uint32_t queue) noexcept {
    return change([queue](BulkheadCounts& c) {
      if (c.waiting >= queue) {
        return false;
      }
      ++c.waiting;
      return true;
    });
  }
  void remove_waiter() noexcept {
    (void)change([](BulkheadCounts& c) {
      --c.waiting;
      return true;
    });
  }
  // A waiter gets a slot that is free.
  [[nodiscard]] bool promote_waiter() noexcept {
    return change([](BulkheadCounts& c) {
      if (c.waiting == 0 || c.in_flight >= c.limit) {
        return false;
      }
      --c.waiting;
      ++c.in_flight;
      return true;
    });
  }
  void release() noexcept {
    (void)change([](BulkheadCounts& c) {
      --c.in_flight;
      return true;
    });
  }

  // Lowering the limit below what is in flight stops admission until enough have left; nobody waits.
  void set_limit(std::uint32_t limit) noexcept {
    (void)change([limit](BulkheadCounts& c) {
      c.limit = limit;
      return true;
    });
  }

  [[nodiscard]] BulkheadCounts read() const noexcept { return unpack(word_.load(std::memory_order_acquire)); }

 private:
  static constexpr std::uint64_t pack(BulkheadCounts c) noexcept {
    return (std::uint64_t{c.waiting} << 42) | (std::uint64_t{c.limit} << 21) | c.in_flight;
  }
  static constexpr BulkheadCounts unpack(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word & kMost), static_cast<std::uint32_t>((word >> 21) & kMost),
            static_cast<std::uint32_t>((word >> 42) & kMost)};
  }
  template <class Step>
  bool change(Step step) noexcept {
    std::uint64_t seen = word_.load(std::memory_order_acquire);
    for (;;) {
      BulkheadCounts counts = unpack(seen);
      if (!step(counts)) {
        return false;
      }
      if (word_.compare_exchange_weak(seen, pack(counts), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return true;
      }
    }
  }

  alignas(128) std::atomic<std::uint64_t> word_;
};

}  // namespace flotilla::resilience
