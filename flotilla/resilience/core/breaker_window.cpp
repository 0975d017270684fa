#include "flotilla/resilience/core/breaker_window.hpp"

#include <algorithm>

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

void add(std::atomic<std::uint64_t>& word, std::uint32_t tag, std::uint32_t n) {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  for (;;) {
    const Fit how = count_of(seen) == 0 ? Fit::retag : fit(tag_in(seen), tag);
    if (how == Fit::late) {
      return;  // a transition overtook this result
    }
    if (how == Fit::add) {
      word.fetch_add(n, std::memory_order_relaxed);
      return;
    }
    if (word.compare_exchange_weak(seen, (std::uint64_t{tag} << 32) | n, std::memory_order_relaxed)) {
      return;
    }
  }
}

// Empties a word that was left behind at least one turn of the ring ago.
void forget(std::atomic<std::uint64_t>& word, std::int64_t number) {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  if (seen != 0 && (tag_in(seen) & kNumberMask) != (static_cast<std::uint32_t>(number) & kNumberMask)) {
    word.compare_exchange_strong(seen, 0, std::memory_order_relaxed);
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
      bucket_ns_(shape.kind == WindowShape::Kind::time ? shape.length.count() / shape.buckets : 1) {
  if (shape_.kind == WindowShape::Kind::time) {
    buckets_ = std::make_unique<Bucket[]>(shape_.buckets);
  } else if (shape_.kind == WindowShape::Kind::count) {
    slots_ = std::make_unique<std::atomic<std::uint32_t>[]>(shape_.size);
  }
}

std::int64_t BreakerWindow::number_of(std::int64_t elapsed_ns) const noexcept {
  return std::max<std::int64_t>(elapsed_ns, 0) / bucket_ns_;
}

BreakerWindow::Bucket& BreakerWindow::bucket(std::int64_t number) const noexcept {
  return buckets_[static_cast<std::size_t>(number) % shape_.buckets];
}

// Makes `number` the newest bucket unless a newer one is known; the newest is returned. Every bucket
// that enters the window is either re-tagged by its first result or emptied here, so no word is ever
// older than one turn and the 20 bits of its number cannot be mistaken. (A breaker idle for exactly
// 2^20 buckets, to the bucket, sees one old bucket again: accepted.)
std::int64_t BreakerWindow::advance_to(std::int64_t number) noexcept {
  const auto empty = [this](std::int64_t at, std::int64_t number_kept) {
    forget(bucket(at).calls, number_kept);
    forget(bucket(at).failures, number_kept);
    forget(bucket(at).slow, number_kept);
  };
  std::int64_t seen = newest_.load(std::memory_order_relaxed);
  while (number > seen) {
    if (number - seen >= shape_.buckets) {
      empty(number, number);  // before others can see it as the newest; what it held has expired
    }
    if (newest_.compare_exchange_weak(seen, number, std::memory_order_relaxed)) {
      for (std::int64_t n = std::max(seen + 1, number - shape_.buckets + 1); n < number; ++n) {
        empty(n, number);  // skipped: nobody writes here, because everybody sees the newer one
      }
      return number;
    }
  }
  return seen;
}

void BreakerWindow::record(std::uint32_t generation, std::int64_t elapsed_ns, bool failed,
                           bool slow) noexcept {
  if (shape_.kind == WindowShape::Kind::time) {
    const std::int64_t number = advance_to(number_of(elapsed_ns));
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
    const std::int64_t newest = std::max(newest_.load(std::memory_order_relaxed), number_of(elapsed_ns));
    for (std::int64_t n = std::max<std::int64_t>(newest - shape_.buckets + 1, 0); n <= newest; ++n) {
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
    for (std::uint32_t i = 0; i < shape_.buckets; ++i) {
      buckets_[i].calls.store(old.buckets_[i].calls.load(std::memory_order_relaxed),
                              std::memory_order_relaxed);
      buckets_[i].failures.store(old.buckets_[i].failures.load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
      buckets_[i].slow.store(old.buckets_[i].slow.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    return;
  }
  const WindowTotals sum = old.totals(generation, elapsed_ns);
  const std::int64_t number = advance_to(number_of(elapsed_ns));
  const std::uint32_t tag = tag_of(generation, number);
  Bucket& b = bucket(number);
  add(b.calls, tag, sum.calls);
  add(b.failures, tag, sum.failures);
  add(b.slow, tag, sum.slow);
}

}  // namespace flotilla::resilience
