#include "flotilla/journal/core/causal_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::journal {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> settled(std::vector<Moment> moments) {
  settle_order(moments);
  std::vector<std::int64_t> times;
  for (const Moment& each : moments) {
    times.push_back(each.ms);
  }
  return times;
}

TEST(CausalOrder, WithinAShardTimeDoesNotGoBack) {
  EXPECT_THAT(settled({{0, 30, "a", ""}, {0, 10, "b", ""}, {1, 20, "c", ""}}), ElementsAre(30, 30, 20));
  EXPECT_THAT(settled({}), ElementsAre());
}

TEST(CausalOrder, ACauseComesBeforeWhatItCaused) {
  // The clock of shard 0 is 5 ms behind; what follows there is later, too.
  EXPECT_THAT(settled({{0, 5, "paid", "created"}, {0, 6, "noted", ""}, {1, 10, "created", ""}}),
              ElementsAre(11, 11, 10));
  EXPECT_THAT(settled({{0, 5, "c", "b"}, {1, 4, "b", "a"}, {2, 10, "a", ""}}), ElementsAre(12, 11, 10));
}

TEST(CausalOrder, OneThatIsItsOwnCauseOrInACircleIsLeftSomewhere) {
  EXPECT_THAT(settled({{0, 5, "a", "a"}}), ElementsAre(5));
  EXPECT_EQ(settled({{0, 5, "a", "b"}, {1, 5, "b", "a"}}).size(), 2U);
  EXPECT_THAT(settled({{0, 5, "", "x"}, {1, 9, "", ""}}), ElementsAre(5, 9)) << "nothing has an empty id";
}

}  // namespace
}  // namespace flotilla::journal
