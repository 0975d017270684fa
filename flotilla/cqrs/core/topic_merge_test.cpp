#include "flotilla/cqrs/core/topic_merge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TopicPage page(const std::vector<std::uint64_t>& positions, std::uint64_t read_to, bool at_end) {
  TopicPage out{.events = {}, .read_to = read_to, .at_end = at_end};
  for (const std::uint64_t position : positions) {
    out.events.push_back({.position = position});
  }
  return out;
}

std::vector<std::uint64_t> positions(const TopicPage& page) {
  std::vector<std::uint64_t> out;
  for (const ViewEvent& event : page.events) {
    out.push_back(event.position);
  }
  return out;
}

TEST(TopicMerge, EventsComeInTheOrderOfPositions) {
  const TopicPage merged = merge({page({2, 5}, 9, true), page({3}, 9, true)}, 100);
  EXPECT_THAT(positions(merged), ElementsAre(2, 3, 5));
  EXPECT_EQ(merged.read_to, 9U);
  EXPECT_TRUE(merged.at_end);
}

TEST(TopicMerge, EndsWhereTheFirstPageEnds) {
  // The first was cut at 5, the second has seen 8 events of the journal, the third was read later.
  const TopicPage merged =
      merge({page({2, 5}, 5, false), page({3}, 8, true), page({4, 7, 10}, 11, true)}, 100);
  EXPECT_THAT(positions(merged), ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(merged.read_to, 5U);
  EXPECT_FALSE(merged.at_end);
  const TopicPage later = merge({page({}, 8, true), page({10}, 11, true)}, 100);
  EXPECT_THAT(positions(later), IsEmpty());
  EXPECT_EQ(later.read_to, 8U);
  EXPECT_FALSE(later.at_end);
}

TEST(TopicMerge, GivesAsManyAsAreWanted) {
  const TopicPage merged = merge({page({1, 3}, 9, true), page({2, 4}, 9, true)}, 3);
  EXPECT_THAT(positions(merged), ElementsAre(1, 2, 3));
  EXPECT_EQ(merged.read_to, 3U);
  EXPECT_FALSE(merged.at_end);
}

}  // namespace
}  // namespace flotilla::cqrs
