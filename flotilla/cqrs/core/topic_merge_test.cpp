#include "flotilla/cqrs/core/topic_merge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TopicPage page(const std::vector<std::uint64_t>& positions, std::uint64_t read_to, bool at_end) {
  TopicPage out{.events = {}, .read_to = journal::Position(read_to, 3), .at_end = at_end};
  for (const std::uint64_t position : positions) {
    out.events.push_back({.position = journal::Position(position, 3)});
  }
  return out;
}

std::vector<std::uint64_t> positions(const TopicPage& page) {
  std::vector<std::uint64_t> out;
  for (const ViewEvent& event : page.events) {
    out.push_back(event.position.number());
  }
  return out;
}

TEST(TopicMerge, EventsComeInTheOrderOfPositions) {
  const TopicPage merged = merge({page({2, 5}, 9, true), page({3}, 9, true)}, 100);
  EXPECT_THAT(positions(merged), ElementsAre(2, 3, 5));
  EXPECT_EQ(merged.read_to, journal::Position(9, 3));
  EXPECT_TRUE(merged.at_end);
}

TEST(TopicMerge, EndsWhereTheFirstPageEnds) {
  // The first was cut at 5, the second has seen 8 events of the journal, the third was read later.
  const TopicPage merged =
      merge({page({2, 5}, 5, false), page({3}, 8, true), page({4, 7, 10}, 11, true)}, 100);
  EXPECT_THAT(positions(merged), ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(merged.read_to, journal::Position(5, 3));
  EXPECT_FALSE(merged.at_end);
  const TopicPage later = merge({page({}, 8, true), page({10}, 11, true)}, 100);
  EXPECT_THAT(positions(later), IsEmpty());
  EXPECT_EQ(later.read_to, journal::Position(8, 3));
  EXPECT_FALSE(later.at_end);
}

TEST(TopicMerge, GivesAsManyAsAreWanted) {
  const TopicPage merged = merge({page({1, 3}, 9, true), page({2, 4}, 9, true)}, 3);
  EXPECT_THAT(positions(merged), ElementsAre(1, 2, 3));
  EXPECT_EQ(merged.read_to, journal::Position(3, 3));
  EXPECT_FALSE(merged.at_end);
}

TopicPage timed(std::uint32_t shard, const std::vector<std::pair<std::uint64_t, std::int64_t>>& events,
                std::uint64_t read_to, bool at_end) {
  TopicPage out{.events = {}, .read_to = journal::Position(read_to, shard), .at_end = at_end};
  for (const auto& [position, time] : events) {
    out.events.push_back({.position = journal::Position(position, shard), .recorded_ms = time});
  }
  return out;
}

std::string places(const ShardPages& pages) {
  std::string out;
  for (const ViewEvent& event : pages.events) {
    out += event.position.text() + " ";
  }
  return out + "up to " + pages.read_to.text() + (pages.at_end ? ", the end" : "");
}

TEST(ShardMerge, TheFirstRecordedComesFirstAndShardsKeepTheirOrder) {
  const journal::ReadToken start(4);
  EXPECT_EQ(
      places(merge_shards({timed(0, {{1, 10}, {3, 30}}, 5, true), timed(2, {{7, 20}}, 9, true)}, start, 100)),
      "0-1 2-7 0-3 up to 0-5.2-9, the end");
  // The clock of the first went back.
  EXPECT_EQ(
      places(merge_shards({timed(0, {{1, 30}, {2, 10}}, 2, true), timed(1, {{4, 20}}, 4, true)}, start, 100)),
      "1-4 0-1 0-2 up to 0-2.1-4, the end");
  EXPECT_EQ(places(merge_shards({}, start, 100)), "up to 0, the end");
}

TEST(ShardMerge, WhatAnEventCausedComesBehindItWhateverTheClockSays) {
  TopicPage causes = timed(2, {{7, 20}}, 9, true);
  causes.events[0].event =
      std::make_shared<const journal::Event>(journal::Event{.attributes = {{"id", "created"}}, .data = {}});
  TopicPage caused = timed(0, {{1, 15}, {2, 16}}, 2, true);
  caused.events[0].event = std::make_shared<const journal::Event>(
      journal::Event{.attributes = {{"id", "paid"}, {"causationid", "created"}}, .data = {}});
  EXPECT_EQ(places(merge_shards({caused, causes}, journal::ReadToken(4), 100)),
            "2-7 0-1 0-2 up to 0-2.2-9, the end");
}

TEST(ShardMerge, EndsWhereAnEarlierOneMayCome) {
  const journal::ReadToken start(4);
  // The first page was cut at 1: behind it may be one of before 50.
  EXPECT_EQ(
      places(merge_shards({timed(0, {{1, 10}}, 1, false), timed(1, {{4, 5}, {6, 50}}, 9, true)}, start, 100)),
      "1-4 0-1 up to 0-1.1-4");
  EXPECT_EQ(
      places(merge_shards({timed(0, {{1, 10}, {2, 20}}, 2, true), timed(1, {{4, 15}}, 4, true)}, start, 2)),
      "0-1 1-4 up to 0-1.1-4");
}

TEST(ShardMerge, WhatWasWrittenLaterIsCutOff) {
  TopicPage page = timed(1, {{4, 1}, {6, 2}}, 9, false);
  cut(page, journal::Position(5, 1));
  EXPECT_EQ(places(merge_shards({page}, journal::ReadToken(4), 100)), "1-4 up to 1-5, the end");
  TopicPage shorter = timed(1, {{4, 1}}, 4, true);
  cut(shorter, journal::Position(5, 1));
  EXPECT_EQ(places(merge_shards({shorter}, journal::ReadToken(4), 100)), "1-4 up to 1-4");
}

}  // namespace
}  // namespace flotilla::cqrs
