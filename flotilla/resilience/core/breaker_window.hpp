// The results a circuit breaker's rates are computed from: the last N, or those of the last seconds.
//
// For: CircuitBreaker. A time window is a ring of buckets whose words carry the bucket's number and
// the breaker's generation, so that neither time passing nor a transition has to clear anything: a
// word with another tag reads as zero. A count window is a ring of results tagged likewise.
// Ownership: owned by its breaker; memory is allocated once, here.
// Threads: any; wait-free but for the re-tagging of a bucket. Exact when nobody is writing; a racing
// re-tag may put one result per thread into the next bucket, and never loses one.
// Time: nanoseconds since the breaker was made. A time before the newest seen counts as the newest:
// the window never turns back and never evicts because a clock was behind.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "flotilla/resilience/core/breaker_config.hpp"

namespace flotilla::resilience {

struct WindowTotals {
  std::uint32_t calls = 0;
  std::uint32_t failures = 0;
  std::uint32_t slow = 0;
};

class BreakerWindow {
 public:
  explicit BreakerWindow(const WindowShape& shape);

  // A success costs one locked instruction in a time window and two in a count window; a failure or a
  // slow result one more each in a time window.
  void record(std::uint32_t generation, std::int64_t elapsed_ns, bool failed, bool slow) noexcept;

  // Costs a walk over the ring.
  [[nodiscard]] WindowTotals totals(std::uint32_t generation, std::int64_t elapsed_ns) const noexcept;

  // Takes over what `old` holds: as it is when the shapes are the same, its sum into the newest bucket
  // when both are time windows; otherwise this window stays empty. Only before others use it.
  void carry_from(const BreakerWindow& old, std::uint32_t generation, std::int64_t elapsed_ns) noexcept;

 private:
  struct Bucket {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> failures{0};
    std::atomic<std::uint64_t> slow{0};
  };

  [[nodiscard]] std::int64_t number_of(std::int64_t elapsed_ns) const noexcept;
  [[nodiscard]] Bucket& bucket(std::int64_t number) const noexcept;
  std::int64_t newest_at(std::int64_t elapsed_ns) noexcept;
  bool forget_old(std::int64_t number, std::int64_t newest) noexcept;

  const WindowShape shape_;
  const std::int64_t bucket_ns_;
  const std::uint32_t ring_;           // buckets kept: a power of two, so that finding one is a mask
  std::unique_ptr<Bucket[]> buckets_;  // time
  std::unique_ptr<std::atomic<std::uint32_t>[]> slots_;  // count
  alignas(128) std::atomic<std::int64_t> newest_{0};     // time: number of the newest bucket
  alignas(128) std::atomic<std::uint64_t> cursor_{0};    // count: results recorded so far
};

}  // namespace flotilla::resilience
