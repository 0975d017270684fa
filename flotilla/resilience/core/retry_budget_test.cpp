#include "flotilla/resilience/core/retry_budget.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace flotilla::resilience {
namespace {

using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};

std::unique_ptr<RetryBudget> make(const RetryBudgetConfig& config, std::uint32_t workers = 1) {
  auto made = RetryBudget::create(config, workers);
  EXPECT_TRUE(made.has_value());
  return std::move(*made);
}

void calls(RetryBudget& budget, int n, std::uint32_t worker = 0) {
  for (int i = 0; i < n; ++i) {
    budget.call_started(worker);
    budget.call_ended(worker);
  }
}

int retries(RetryBudget& budget, int tries, Instant now = kStart, std::uint32_t worker = 0) {
  int granted = 0;
  for (int i = 0; i < tries; ++i) {
    granted += budget.try_retry(worker, now).has_value() ? 1 : 0;
  }
  return granted;
}

TEST(RetryBudget, RetriesAreAShareOfTheCalls) {
  auto budget = make({0.2, 0, 100, 3});
  EXPECT_EQ(retries(*budget, 5), 0);
  calls(*budget, 100);
  EXPECT_EQ(retries(*budget, 100), 20);
  calls(*budget, 7);  // fewer than a worker hands in at once: spendable by itself all the same
  EXPECT_EQ(retries(*budget, 100), 1);
  EXPECT_EQ(budget->denied(BudgetDenial::tokens), 5U + 80U + 99U);
}

TEST(RetryBudget, SavesOnlySoMuch) {
  auto budget = make({0.2, 0, 10, 3});
  calls(*budget, 100'000);
  EXPECT_EQ(retries(*budget, 100), 10);
}

TEST(RetryBudget, AQuietServiceHasTenSecondsReserveAndOneASecond) {
  auto budget = make({0.2, 1, 100, 3});
  EXPECT_EQ(retries(*budget, 100), 10);
  EXPECT_EQ(retries(*budget, 100, kStart + seconds(3)), 3);
  EXPECT_EQ(retries(*budget, 100, kStart + seconds(1000)), 10);
}

TEST(RetryBudget, BoundsWhatIsRetriedAtOnce) {
  auto budget = make({0.2, 0, 100, 3}, 2);
  calls(*budget, 160);
  std::vector<RetryBudget::Ticket> held;
  const auto take = [&] {
    for (;;) {
      auto ticket = budget->try_retry(0, kStart);
      if (!ticket) {
        return ticket.error();
      }
      held.push_back(std::move(*ticket));
    }
  };
  EXPECT_EQ(take(), BudgetDenial::concurrency);
  EXPECT_EQ(held.size(), 3U);
  for (int i = 0; i < 20; ++i) {
    budget->call_started(1);  // calls in flight on another worker count
  }
  EXPECT_EQ(take(), BudgetDenial::concurrency);
  EXPECT_EQ(held.size(), 7U);
  held[0] = std::move(held[1]);
  EXPECT_EQ(budget->retrying(), 6U);
  held.clear();
  EXPECT_EQ(budget->retrying(), 0U);
}

TEST(RetryBudget, ADenialForTokensEndsWhatItHadBegun) {
  auto budget = make({0, 0, 100, 3});
  EXPECT_EQ(retries(*budget, 50), 0);
  EXPECT_EQ(budget->retrying(), 0U);
  EXPECT_EQ(budget->denied(BudgetDenial::tokens), 50U);
}

TEST(RetryBudget, WorkersTogetherSpendNoMoreThanTheyEarn) {
  constexpr std::uint32_t kWorkers = 4;
  auto budget = make({0.2, 0, 1'000'000, 1'000'000}, kWorkers);
  std::atomic<int> granted{0};
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
      threads.emplace_back([&, worker] {
        for (int i = 0; i < 10'000; ++i) {
          calls(*budget, 1, worker);
          granted += retries(*budget, 1, kStart, worker);
        }
      });
    }
  }
  EXPECT_LE(granted, 8000);
  EXPECT_GE(granted, 8000 - 4);
  EXPECT_EQ(budget->retrying(), 0U);
}

TEST(RetryBudget, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(RetryBudget::create({1.5, 1, 100, 3}, 1).has_value());
  EXPECT_FALSE(RetryBudget::create({-0.1, 1, 100, 3}, 1).has_value());
  EXPECT_FALSE(RetryBudget::create({0.2, 1, 100, 3}, 0).has_value());
}

}  // namespace
}  // namespace flotilla::resilience
