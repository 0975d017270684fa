#include "flotilla/resilience/core/breaker_window.hpp"

#include <algorithm>
#include <bit>

namespace flotilla::resilience {
namespace {

// A bucket word is tag 32 | count 32, a tag is generation 12 | bucket number 20.
constexpr std::uint32_t kNumberBits = 20;
constexpr std::uint32_t kNumberMask = (1U << kNumberBits) - 1;
constexpr std::uint32_t kGenerationMask = (1U << 12) - 1;

constexpr std::uint32_t tag_of(std::uint32_t generation, std::int64_t number) {
  return ((generation & kGenerationMask) << kNumberBits) | (static_cast<std::uint32_t>(number) & kNumberMask);
}
constexpr bool ahead(std::uint32_t a, std::uint32_t b, std::uint32_t mask) {
  const std::uint32_t distance = (a - b) & mask;
  return distance != 0 && distance <= mask / 2;
}
constexpr std::uint32_t count_of(std::uint64_t word) { return static_cast<std::uint32_t>(word); }
constexpr std::uint32_t tag_in(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

// Whether a word tagged `present` takes a result tagged `tag` as it is. Numbers are compared first:
// a word of the current ring is at most one turn old, so serial arithmetic cannot mistake it.
enum class Fit { add, retag, late };
constexpr Fit fit(std::uint32_t present, std::uint32_t tag) {
  if (present == tag) {
    return Fit::add;
  }
  if (ahead(tag & kNumberMask, present & kNumberMask, kNumberMask)) {
    return Fit::retag;
  }
  const std::uint32_t present_generation = present >> kNumberBits;
  const std::uint32_t generation = tag >> kNumberBits;
  if (present_generation == generation) {
    return Fit::add;  // another thread turned the ring meanwhile: count in its newer bucket
  }
  return ahead(present_generation, generation, kGenerationMask) ? Fit::late : Fit::retag;
}

// Released, so that whoever sees the count also sees the bucket as the newest (newest_at).
void add(std::atomic<std::uint64_t>& word, std::uint32_t tag, std::uint32_t n) {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  for (;;) {
    const Fit how = count_of(seen) == 0 ? Fit::retag : fit(tag_in(seen), tag);
    if (how == Fit::late) {
      return;  // a transition overtook this result
    }
    if (how == Fit::add) {
      word.fetch_add(n, std::memory_order_release);
      return;
    }
    if (word.compare_exchange_weak(seen, (std::uint64_t{tag} << 32) | n, std::memory_order_release,
                                   std::memory_order_relaxed)) {
      return;
    }
  }
}

std::uint32_t read(const std::atomic<std::uint64_t>& word, std::uint32_t tag) {
  const std::uint64_t seen = word.load(std::memory_order_relaxed);
  return tag_in(seen) == tag ? count_of(seen) : 0;
}

// A slot is (generation + 1) 30 | slow 1 | failed 1, so that an unused one (0) belongs to no generation.
constexpr std::uint32_t slot_of(std::uint32_t generation, bool failed, bool slow) {
  return ((generation + 1) << 2) | (slow ? 2U : 0U) | (failed ? 1U : 0U);
}

}  // namespace

BreakerWindow::BreakerWindow(const WindowShape& shape)
    : shape_(shape),
      bucket_ns_(shape.kind == WindowShape::Kind::time ? shape.length.count() / shape.buckets : 1),
      ring_(std::bit_ceil(shape.buckets)) {
  if (shape_.kind == WindowShape::Kind::time) {
    buckets_ = std::make_unique<Bucket[]>(ring_);
  } else if (shape_.kind == WindowShape::Kind::count) {
    slots_ = std::make_unique<std::atomic<std::uint32_t>[]>(shape_.size);
  }
}

std::int64_t BreakerWindow::number_of(std::int64_t elapsed_ns) const noexcept {
  return std::max<std::int64_t>(elapsed_ns, 0) / bucket_ns_;
}

BreakerWindow::Bucket& BreakerWindow::bucket(std::int64_t number) const noexcept {
  return buckets_[static_cast<std::size_t>(number) & (ring_ - 1)];
}

// The bucket for a result at `elapsed_ns`: the newest known, or a newer one that this makes the newest.
// Every bucket that enters the window is emptied here or re-tagged by its first result, so no word is
// ever older than one turn of the ring, and the 20 bits of its number cannot be mistaken.
std::int64_t BreakerWindow::newest_at(std::int64_t elapsed_ns) noexcept {
  std::int64_t seen = newest_.load(std::memory_order_relaxed);
  if (elapsed_ns < (seen + 1) * bucket_ns_) {
    return seen;  // no turn, no division
  }
  const std::int64_t number = number_of(elapsed_ns);
  while (number > seen) {
    if (number - seen >= ring_ && !forget_old(number, seen)) {
      seen = newest_.load(std::memory_order_relaxed);
      continue;
    }
    if (newest_.compare_exchange_weak(seen, number, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      // Nobody writes to a bucket that was skipped, because everybody sees the newer one.
      for (std::int64_t n = std::max(seen + 1, number - ring_ + 1); n < number; ++n) {
        (void)forget_old(n, number);
      }
      return number;
    }
  }
  return seen;
}

// Empties bucket `number` of what was counted there in an earlier turn; false if `newest` is not the
// newest any more. A word read before `newest` was seen to be the newest holds nothing of this turn
// yet, and if somebody counts there meanwhile, the exchange fails: no result is lost.
bool BreakerWindow::forget_old(std::int64_t number, std::int64_t newest) noexcept {
  Bucket& b = bucket(number);
  for (std::atomic<std::uint64_t>* word : {&b.calls, &b.failures, &b.slow}) {
    std::uint64_t seen = word->load(std::memory_order_acquire);
    if (newest_.load(std::memory_order_acquire) != newest) {
      return false;
    }
    if (seen != 0) {
      word->compare_exchange_strong(seen, 0, std::memory_order_relaxed);
    }
  }
  return true;
}

void BreakerWindow::record(std::uint32_t generation, std::int64_t elapsed_ns, bool failed,
                           bool slow) noexcept {
  if (shape_.kind == WindowShape::Kind::time) {
    const std::int64_t number = newest_at(elapsed_ns);
    const std::uint32_t tag = tag_of(generation, number);
    Bucket& b = bucket(number);
    add(b.calls, tag, 1);
    if (failed) {
      add(b.failures, tag, 1);
    }
    if (slow) {
      add(b.slow, tag, 1);
    }
  } else if (shape_.kind == WindowShape::Kind::count) {
    const std::uint64_t index = cursor_.fetch_add(1, std::memory_order_relaxed) % shape_.size;
    slots_[index].store(slot_of(generation, failed, slow), std::memory_order_relaxed);
  }
}

WindowTotals BreakerWindow::totals(std::uint32_t generation, std::int64_t elapsed_ns) const noexcept {
  WindowTotals sum;
  if (shape_.kind == WindowShape::Kind::time) {
    const std::int64_t newest = newest_.load(std::memory_order_relaxed);
    const std::int64_t last = std::max(newest, number_of(elapsed_ns));
    // What lies beyond the newest bucket is left over from an earlier turn.
    for (std::int64_t n = std::max<std::int64_t>(last - shape_.buckets + 1, 0); n <= newest; ++n) {
      const std::uint32_t tag = tag_of(generation, n);
      const Bucket& b = bucket(n);
      sum.calls += read(b.calls, tag);
      sum.failures += read(b.failures, tag);
      sum.slow += read(b.slow, tag);
    }
  } else if (shape_.kind == WindowShape::Kind::count) {
    for (std::uint32_t i = 0; i < shape_.size; ++i) {
      const std::uint32_t slot = slots_[i].load(std::memory_order_relaxed);
      if (slot >> 2 == generation + 1) {
        ++sum.calls;
        sum.failures += slot & 1U;
        sum.slow += (slot >> 1) & 1U;
      }
    }
  }
  return sum;
}

void BreakerWindow::carry_from(const BreakerWindow& old, std::uint32_t generation,
                               std::int64_t elapsed_ns) noexcept {
  if (shape_.kind != old.shape_.kind || shape_.kind == WindowShape::Kind::none) {
    return;
  }
  if (shape_.kind == WindowShape::Kind::count) {
    if (shape_.size == old.shape_.size) {
      cursor_.store(old.cursor_.load(std::memory_order_relaxed), std::memory_order_relaxed);
      for (std::uint32_t i = 0; i < shape_.size; ++i) {
        slots_[i].store(old.slots_[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
      }
    }
    return;
  }
  if (shape_ == old.shape_) {
    newest_.store(old.newest_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < ring_; ++i) {
      buckets_[i].calls.store(old.buckets_[i].calls.load(std::memory_order_relaxed),
                              std::memory_order_relaxed);
      buckets_[i].failures.store(old.buckets_[i].failures.load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
      buckets_[i].slow.store(old.buckets_[i].slow.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    return;
  }
  const WindowTotals sum = old.totals(generation, elapsed_ns);
  const std::int64_t number = newest_at(elapsed_ns);
  const std::uint32_t tag = tag_of(generation, number);
  Bucket& b = bucket(number);
  add(b.calls, tag, sum.calls);
  add(b.failures, tag, sum.failures);
  add(b.slow, tag, sum.slow);
}

}  // namespace flotilla::resilience
