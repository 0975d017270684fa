#include "flotilla/events/core/topic_deletion.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/batch.hpp"

namespace flotilla::events {
namespace {

TopicDeletion some() {
  TopicDeletion one{.topic = "orders", .who = "ann", .why = "a \"test\" topic", .events = 7};
  one.until.move_to(journal::Position(42));
  return one;
}

TEST(TopicDeletion, ComesBackAsItWas) {
  EXPECT_EQ(read_deletion_row(deletion_row(some())).value(), some());
  TopicDeletion kept = some();
  kept.events = 0;
  EXPECT_EQ(decode_topic_deletion(encode(some())).value(), kept);
  EXPECT_NE(deletion_row(some()).find(R"("until":42)"), std::string::npos)
      << "as it was before there were shards";
  kept.until.move_to(journal::Position(7, 63));
  EXPECT_EQ(decode_topic_deletion(encode(kept)).value(), kept);
  EXPECT_EQ(read_deletion_row(deletion_row(kept)).value(), kept);
}

TEST(TopicDeletion, WhatIsDamagedOrNewerIsRefused) {
  const std::string good = encode(some());
  EXPECT_EQ(decode_topic_deletion(good.substr(0, good.size() - 1)).error().code, Errc::invalid);
  EXPECT_EQ(decode_topic_deletion(good + "\x0c\x07").error().code, Errc::unsupported);  // tag 6
  EXPECT_FALSE(read_deletion_row("{}"));
  EXPECT_FALSE(read_deletion_row("x"));
}

TEST(TopicDeletion, TheLongestRowFits) {
  TopicDeletion longest{.topic = std::string(64, 't'), .who = std::string(128, '"'), .why = {}};
  for (std::uint32_t shard = 0; shard < journal::kMaxShards; ++shard) {
    longest.until.move_to(journal::Position(UINT64_MAX >> 1, shard));
  }
  longest.why = std::string(1024, '"');
  EXPECT_LE(deletion_row(longest).size(), journal::kMaxAttributes);
}

TEST(TopicDeletion, AnObjectionNamesWhoReads) {
  const std::vector<TopicUse> uses{
      {"orders", "subscription charge"}, {"other", "view x"}, {"orders", "view y"}};
  EXPECT_EQ(objection_to_deletion("none", uses), "");
  EXPECT_EQ(objection_to_deletion("orders", uses).substr(0, 54),
            "topic orders is read by subscription charge, view y: t");
  const std::vector<TopicUse> many(11, {"orders", "view y"});
  EXPECT_NE(objection_to_deletion("orders", many).find("and 3 more"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::events
