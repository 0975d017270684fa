#include "flotilla/saga/core/lock_table.hpp"

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::saga {
namespace {

using Keys = std::vector<std::string>;

SagaId id(std::uint64_t n) { return {.high = 1, .low = n}; }

TEST(LockTable, OneHolderAndAQueue) {
  LockTable table;
  EXPECT_TRUE(table.claim(id(1), Keys{"a", "b"}));
  EXPECT_FALSE(table.claim(id(2), Keys{"a"}));
  EXPECT_FALSE(table.claim(id(3), Keys{"a", "b"}));
  EXPECT_TRUE(table.claim(id(4), Keys{"c"}));
  EXPECT_TRUE(table.claim(id(1), Keys{"a", "b"})) << "claiming twice changes nothing";
  EXPECT_FALSE(table.is_free(Keys{"a"}));
  EXPECT_TRUE(table.is_free(Keys{"d"}));
  EXPECT_EQ(table.release(id(1)), std::vector{id(2)}) << "3 waits for 2";
  EXPECT_FALSE(table.holds(id(3)));
  EXPECT_EQ(table.release(id(2)), std::vector{id(3)});
  EXPECT_TRUE(table.release(id(3)).empty());
  EXPECT_TRUE(table.release(id(3)).empty()) << "releasing twice changes nothing";
}

TEST(LockTable, AWaiterMayLeave) {
  LockTable table;
  EXPECT_TRUE(table.claim(id(1), Keys{"a"}));
  EXPECT_FALSE(table.claim(id(2), Keys{"a", "b"}));
  EXPECT_FALSE(table.claim(id(3), Keys{"b"})) << "nobody overtakes";
  EXPECT_EQ(table.release(id(2)), std::vector{id(3)});
}

TEST(LockTable, BuiltAgainItGivesTheSameAnswers) {
  constexpr std::uint64_t kSeed = 11;
  Random random(kSeed);
  LockTable table;
  std::vector<std::pair<SagaId, Keys>> living;
  std::uint64_t next = 1;
  for (int i = 0; i < 5'000; ++i) {
    if (living.size() < 8 || random.below(2) == 0) {
      Keys keys;
      for (char c = 'a'; c < 'f'; ++c) {
        if (random.below(3) == 0) {
          keys.emplace_back(1, c);
        }
      }
      living.emplace_back(id(next++), keys);
      (void)table.claim(living.back().first, keys);
    } else {
      const auto at = static_cast<std::ptrdiff_t>(random.below(living.size()));
      const SagaId gone = living[static_cast<std::size_t>(at)].first;
      living.erase(living.begin() + at);
      for (const SagaId granted : table.release(gone)) {
        EXPECT_TRUE(table.holds(granted));
      }
    }
    LockTable again;
    for (const auto& [saga, keys] : living) {
      (void)again.claim(saga, keys);
    }
    std::size_t holders = 0;
    for (const auto& [saga, keys] : living) {
      ASSERT_EQ(again.holds(saga), table.holds(saga)) << "seed " << kSeed << ", step " << i;
      holders += table.holds(saga) ? 1 : 0;
    }
    ASSERT_GT(holders, 0U) << "a deadlock; seed " << kSeed << ", step " << i;
    if (living.size() > 40) {
      living.clear();
      table = LockTable();
    }
  }
}

}  // namespace
}  // namespace flotilla::saga
