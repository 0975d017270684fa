#include "flotilla/http/core/pipeline_turns.hpp"

#include <gtest/gtest.h>

namespace flotilla::http {
namespace {

TEST(PipelineTurns, AnswersAreReadInTheOrderOfTheRequests) {
  PipelineTurns turns;
  const auto first = turns.join();
  const auto second = turns.join();
  EXPECT_TRUE(turns.is_turn_of(first));
  EXPECT_FALSE(turns.is_turn_of(second));
  turns.leave(first, true);
  EXPECT_TRUE(turns.is_turn_of(second));
  turns.leave(second, true);
  EXPECT_EQ(turns.outstanding(), 0U);
  EXPECT_FALSE(turns.is_doomed());
}

TEST(PipelineTurns, ThereIsRoomUpToTheDepth) {
  PipelineTurns turns;
  const auto first = turns.join();
  EXPECT_TRUE(turns.has_room(2));
  (void)turns.join();
  EXPECT_FALSE(turns.has_room(2));
  turns.leave(first, true);
  EXPECT_TRUE(turns.has_room(2));
}

TEST(PipelineTurns, AnAnswerThatIsNotReadWholeEndsTheConnectionForAllBehind) {
  PipelineTurns turns;
  const auto first = turns.join();
  const auto second = turns.join();
  turns.leave(first, false);
  EXPECT_TRUE(turns.is_broken());
  EXPECT_FALSE(turns.is_turn_of(second));
  EXPECT_FALSE(turns.has_room(2));
}

TEST(PipelineTurns, OneThatGoesBeforeItsTurnLeavesThoseBeforeItAlone) {
  PipelineTurns turns;
  const auto first = turns.join();
  const auto second = turns.join();
  const auto third = turns.join();
  turns.leave(second, false);
  EXPECT_TRUE(turns.is_turn_of(first));
  EXPECT_FALSE(turns.has_room(8));  // the connection ends with them
  turns.leave(first, true);
  EXPECT_TRUE(turns.is_broken());  // the answer that comes next is nobody's
  EXPECT_FALSE(turns.is_turn_of(third));
}

TEST(PipelineTurns, TheLastOneThatGoesBeforeItsTurnHarmsNobody) {
  PipelineTurns turns;
  const auto first = turns.join();
  const auto second = turns.join();
  turns.leave(second, false);
  turns.leave(first, true);
  EXPECT_TRUE(turns.is_doomed());  // its answer is still to come: the connection is not kept
}

TEST(PipelineTurns, TicketsMayRunOn) {
  PipelineTurns turns;
  for (std::uint32_t i = 0; i < 10 * PipelineTurns::kMost; ++i) {
    const auto a = turns.join();
    const auto b = turns.join();
    ASSERT_TRUE(turns.is_turn_of(a));
    turns.leave(a, true);
    ASSERT_TRUE(turns.is_turn_of(b));
    turns.leave(b, true);
  }
}

}  // namespace
}  // namespace flotilla::http
