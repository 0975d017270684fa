#include "flotilla/resilience/bulkhead.hpp"

#include <list>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::resilience {
namespace {

using Entered = Bulkhead::Entered;

std::unique_ptr<Bulkhead> make(std::uint32_t concurrent, std::uint32_t queue = 0) {
  auto made = Bulkhead::create({concurrent, queue, Millis(100)});
  EXPECT_TRUE(made.has_value());
  return std::move(*made);
}

// Counts its wake-ups.
struct Caller {
  std::atomic<int> woken{0};
  BulkheadSlot slot;
  BulkheadWaiter waiter{[](void* self) noexcept { ++static_cast<Caller*>(self)->woken; }, this};
};

TEST(Bulkhead, AdmitsItsNumberAndNoMore) {
  auto bulkhead = make(2);
  BulkheadSlot a = bulkhead->try_enter();
  BulkheadSlot b = bulkhead->try_enter();
  EXPECT_TRUE(a && b);
  EXPECT_FALSE(bulkhead->try_enter());
  b = std::move(a);  // gives b's back
  EXPECT_EQ(bulkhead->counts().in_flight, 1U);
  b.release();
  b.release();
  EXPECT_EQ(bulkhead->counts().in_flight, 0U);
}

TEST(Bulkhead, WithoutAQueueItRefusesAtOnce) {
  auto bulkhead = make(1);
  Caller a;
  Caller b;
  EXPECT_EQ(bulkhead->enter(a.slot, a.waiter), Entered::slot);
  EXPECT_EQ(bulkhead->enter(b.slot, b.waiter), Entered::full);
}

TEST(Bulkhead, AWaitOfZeroNeverQueues) {
  auto bulkhead = *Bulkhead::create({1, 5, Duration::zero()});
  Caller a;
  Caller b;
  EXPECT_EQ(bulkhead->enter(a.slot, a.waiter), Entered::slot);
  EXPECT_EQ(bulkhead->enter(b.slot, b.waiter), Entered::full);
}

TEST(Bulkhead, HandsOverInOrderAndNobodyOvertakes) {
  auto bulkhead = make(1, 2);
  std::array<Caller, 4> callers;
  EXPECT_EQ(bulkhead->enter(callers[0].slot, callers[0].waiter), Entered::slot);
  EXPECT_EQ(bulkhead->enter(callers[1].slot, callers[1].waiter), Entered::waiting);
  EXPECT_EQ(bulkhead->enter(callers[2].slot, callers[2].waiter), Entered::waiting);
  EXPECT_EQ(bulkhead->enter(callers[3].slot, callers[3].waiter), Entered::full);
  callers[0].slot.release();
  EXPECT_EQ(callers[1].woken, 1);
  EXPECT_EQ(callers[2].woken, 0);
  EXPECT_FALSE(bulkhead->try_enter());  // the slot is spoken for
  callers[1].slot = bulkhead->take_or_cancel(callers[1].waiter);
  EXPECT_TRUE(callers[1].slot);
  callers[1].slot.release();
  EXPECT_EQ(callers[2].woken, 1);
}

TEST(Bulkhead, ACancelledWaiterIsSkippedAndNeverWoken) {
  auto bulkhead = make(1, 3);
  std::array<Caller, 4> callers;
  for (Caller& c : callers) {
    (void)bulkhead->enter(c.slot, c.waiter);
  }
  EXPECT_FALSE(bulkhead->take_or_cancel(callers[2].waiter));
  EXPECT_EQ(bulkhead->counts().waiting, 2U);
  callers[0].slot.release();
  callers[1].slot = bulkhead->take_or_cancel(callers[1].waiter);
  callers[1].slot.release();
  EXPECT_EQ(callers[2].woken, 0);
  EXPECT_EQ(callers[3].woken, 1);
}

TEST(Bulkhead, AWaiterDestroyedAfterTheGrantPassesItOn) {
  auto bulkhead = make(1, 2);
  Caller first;
  auto second = std::make_unique<Caller>();
  Caller third;
  (void)bulkhead->enter(first.slot, first.waiter);
  (void)bulkhead->enter(second->slot, second->waiter);
  (void)bulkhead->enter(third.slot, third.waiter);
  first.slot.release();
  EXPECT_EQ(second->woken, 1);
  second.reset();
  EXPECT_EQ(third.woken, 1);
}

TEST(Bulkhead, LoweringTheLimitNeverBlocksAndRaisingItLetsWaitersIn) {
  auto bulkhead = make(3, 2);
  std::array<Caller, 5> callers;
  for (Caller& c : callers) {
    (void)bulkhead->enter(c.slot, c.waiter);
  }
  ASSERT_TRUE(bulkhead->reconfigure({1, 2, Millis(100)}).has_value());
  EXPECT_EQ(bulkhead->counts().in_flight, 3U);
  callers[0].slot.release();
  callers[1].slot.release();
  EXPECT_EQ(callers[3].woken, 0);  // one in flight is the limit now
  callers[2].slot.release();
  EXPECT_EQ(callers[3].woken, 1);
  ASSERT_TRUE(bulkhead->reconfigure({2, 2, Millis(100)}).has_value());
  EXPECT_EQ(callers[4].woken, 1);
}

TEST(Bulkhead, RefusesWhatCannotWorkAndChangesNothing) {
  EXPECT_FALSE(Bulkhead::create({0, 0, Duration::zero()}).has_value());
  auto bulkhead = make(1);
  EXPECT_FALSE(bulkhead->reconfigure({1, 100'000, Duration::zero()}).has_value());
  EXPECT_FALSE(bulkhead->reconfigure({1, 0, Duration(-1)}).has_value());
  EXPECT_EQ(bulkhead->counts().limit, 1U);
}

// Between the moment a slot is given back and the moment the first waiter has it, nobody slips in.
TEST(BulkheadCount, AFreeSlotIsTheWaitersFirst) {
  BulkheadCount count(1);
  EXPECT_TRUE(count.try_take());
  EXPECT_TRUE(count.add_waiter(1));
  EXPECT_FALSE(count.add_waiter(1));
  EXPECT_FALSE(count.try_release());
  count.release();
  EXPECT_FALSE(count.try_take());
  EXPECT_TRUE(count.promote_waiter());
  EXPECT_FALSE(count.promote_waiter());
  EXPECT_TRUE(count.try_release());
  EXPECT_TRUE(count.try_take());
}

// A slot given back while somebody is about to queue must wake them: here nobody ever gives up.
TEST(Bulkhead, NoWakeUpIsLost) {
  auto bulkhead = make(1, 8);
  std::atomic<bool> stuck{false};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t id = 1; id <= 2; ++id) {
      threads.emplace_back([&, id] {
        Random random(id);
        for (int i = 0; i < 100'000 && !stuck; ++i) {
          Caller caller;
          if (bulkhead->enter(caller.slot, caller.waiter) == Entered::waiting) {
            for (std::uint64_t spins = 0; caller.woken == 0 && !stuck; ++spins) {
              if (spins > 10'000) {
                std::this_thread::yield();
                stuck = stuck || spins > 5'000'000;
              }
            }
            caller.slot = bulkhead->take_or_cancel(caller.waiter);
          }
          for (volatile std::uint64_t work = random.below(40); work > 0;) {
            work = work - 1;
          }
        }
      });
    }
  }
  EXPECT_FALSE(stuck);
}

// Threads enter, wait a little or not at all, and leave; the number inside is never exceeded and
// everything is back at the end.
TEST(Bulkhead, HoldsUnderThreads) {
  auto bulkhead = make(2, 8);
  std::atomic<int> inside{0};
  std::atomic<bool> exceeded{false};
  std::atomic<std::uint64_t> granted{0};
  std::atomic<std::uint64_t> cancelled{0};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t id = 1; id <= 4; ++id) {
      threads.emplace_back([&, id] {
        Random random(id);
        for (int i = 0; i < 20'000; ++i) {
          Caller caller;
          const Entered entered = bulkhead->enter(caller.slot, caller.waiter);
          if (entered == Entered::waiting) {
            for (std::uint64_t spins = random.below(50); spins > 0 && caller.woken == 0; --spins) {
              std::this_thread::yield();
            }
            caller.slot = bulkhead->take_or_cancel(caller.waiter);
            ++(caller.slot ? granted : cancelled);
          }
          if (caller.slot) {
            exceeded = exceeded || inside.fetch_add(1) + 1 > 2;
            if (random.below(4) == 0) {
              std::this_thread::yield();
            }
            inside.fetch_sub(1);
          }
        }
      });
    }
  }
  EXPECT_FALSE(exceeded);
  EXPECT_GT(granted, 0U);
  EXPECT_EQ(bulkhead->counts().in_flight, 0U);
  EXPECT_EQ(bulkhead->counts().waiting, 0U);
}

}  // namespace
}  // namespace flotilla::resilience
