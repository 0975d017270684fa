#include "flotilla/resilience/bulkhead.hpp"

#include "flotilla/base/assert.hpp"

namespace flotilla::resilience {
namespace {

constexpr std::uint32_t kLongestQueue = 65'536;

Result<> check(const BulkheadConfig& config) {
  if (config.concurrent < 1 || config.concurrent > BulkheadCount::kMost) {
    return fail(Errc::invalid, "bulkhead: `concurrent` must lie between 1 and 2097151");
  }
  if (config.queue > kLongestQueue) {
    return fail(Errc::invalid, "bulkhead: `queue` must lie between 0 and 65536");
  }
  if (config.wait < Duration::zero()) {
    return fail(Errc::invalid, "bulkhead: `wait` must not be negative");
  }
  return {};
}

}  // namespace

void BulkheadSlot::release() noexcept {
  if (bulkhead_ != nullptr) {
    std::exchange(bulkhead_, nullptr)->release();
  }
}

BulkheadWaiter::~BulkheadWaiter() {
  if (bulkhead_ != nullptr) {
    (void)bulkhead_->take_or_cancel(*this);
  }
}

Result<std::unique_ptr<Bulkhead>> Bulkhead::create(const BulkheadConfig& config) {
  if (auto ok = check(config); !ok) {
    return std::unexpected(ok.error());
  }
  return std::unique_ptr<Bulkhead>(new Bulkhead(config));
}

Bulkhead::Bulkhead(const BulkheadConfig& config) noexcept
    : count_(config.concurrent), queue_(config.queue), max_wait_(config.wait.count()) {}

Bulkhead::~Bulkhead() { FLOTILLA_ASSERT(first_ == nullptr && count_.read().in_flight == 0); }

Bulkhead::Entered Bulkhead::enter(BulkheadSlot& slot, BulkheadWaiter& waiter) {
  FLOTILLA_ASSERT(waiter.bulkhead_ == nullptr);
  if (count_.try_take()) {
    slot = BulkheadSlot(this);
    return Entered::slot;
  }
  const std::uint32_t queue =
      max_wait_.load(std::memory_order_relaxed) > 0 ? queue_.load(std::memory_order_relaxed) : 0;
  if (count_.read().waiting >= queue) {
    return Entered::full;  // without the lock: refusing must stay cheap when it matters
  }
  {
    const std::lock_guard lock(mutex_);
    if (!count_.add_waiter(queue)) {
      return Entered::full;
    }
    waiter.bulkhead_ = this;
    waiter.state_ = BulkheadWaiter::State::waiting;
    waiter.previous_ = last_;
    waiter.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &waiter;
    last_ = &waiter;
    // A slot released between the first look and the lock had no waiter to go to.
    if (first_ == &waiter && count_.promote_waiter()) {
      unlink(waiter);
      waiter.bulkhead_ = nullptr;
      waiter.state_ = BulkheadWaiter::State::idle;
    } else {
      return Entered::waiting;
    }
  }
  slot = BulkheadSlot(this);  // after the lock: `slot` may give another one back
  return Entered::slot;
}

BulkheadSlot Bulkhead::take_or_cancel(BulkheadWaiter& waiter) noexcept {
  FLOTILLA_ASSERT(waiter.bulkhead_ == this);
  const std::lock_guard lock(mutex_);
  const bool granted = waiter.state_ == BulkheadWaiter::State::granted;
  if (!granted) {
    unlink(waiter);
    count_.remove_waiter();
  }
  waiter.bulkhead_ = nullptr;
  waiter.state_ = BulkheadWaiter::State::idle;
  return granted ? BulkheadSlot(this) : BulkheadSlot();
}

Result<> Bulkhead::reconfigure(const BulkheadConfig& config) {
  if (auto ok = check(config); !ok) {
    return ok;
  }
  const std::lock_guard lock(mutex_);
  count_.set_limit(config.concurrent);
  queue_.store(config.queue, std::memory_order_relaxed);
  max_wait_.store(config.wait.count(), std::memory_order_relaxed);
  grant_waiters();
  return {};
}

void Bulkhead::release() noexcept {
  if (count_.try_release()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  count_.release();
  grant_waiters();
}

void Bulkhead::grant_waiters() noexcept {
  while (first_ != nullptr && count_.promote_waiter()) {
    BulkheadWaiter& waiter = *first_;
    unlink(waiter);
    waiter.state_ = BulkheadWaiter::State::granted;
    waiter.wake_(waiter.context_);
  }
}

void Bulkhead::unlink(BulkheadWaiter& waiter) noexcept {
  (waiter.previous_ == nullptr ? first_ : waiter.previous_->next_) = waiter.next_;
  (waiter.next_ == nullptr ? last_ : waiter.next_->previous_) = waiter.previous_;
  waiter.next_ = waiter.previous_ = nullptr;
}

}  // namespace flotilla::resilience
