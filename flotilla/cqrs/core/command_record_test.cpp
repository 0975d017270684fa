#include "flotilla/cqrs/core/command_record.hpp"

#include <gtest/gtest.h>

#include "flotilla/cqrs/core/command_batch.hpp"
#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs {
namespace {

TEST(CommandRecord, RepliesComeBackAsTheyWere) {
  const KeptReply accepted{.command = "add", .id = "a b", .version = 300, .events = 2};
  EXPECT_EQ(decode_reply(encode(accepted)).value(), accepted);
  const KeptReply refused{.command = "add",
                          .id = "",
                          .version = 0,
                          .events = 0,
                          .refused = true,
                          .code = "full",
                          .message = "too much"};
  EXPECT_EQ(decode_reply(encode(refused)).value(), refused);
}

TEST(CommandRecord, RowsSayWhenTheirKeyEnds) {
  EXPECT_EQ(reply_expiry(reply_attributes(1'700'000'000'123)), 1'700'000'000'123);
  EXPECT_EQ(reply_expiry("{}"), std::nullopt);
  EXPECT_EQ(reply_expiry("no"), std::nullopt);
}

TEST(CommandRecord, WhatIsNotKnownIsNotRead) {
  std::string body;
  journal::BodyWriter(body).bytes(9, "x");
  EXPECT_EQ(decode_reply(body).error().message,
            "a kept reply has a field 9, which is not known: a newer version of Flotilla wrote it, or it is "
            "damaged");
  EXPECT_FALSE(decode_reply("\xff").has_value());
}

TEST(CommandRecord, ARequestIsKnownByItsBodyAndItsVersion) {
  const auto hash = [](const char* body, std::optional<std::uint64_t> expected = {}) {
    return command_hash({.command = *json::parse(body), .expected = expected});
  };
  EXPECT_EQ(hash(R"({"a":1,"b":2})"), hash(R"({ "b":2, "a":1 })"));
  EXPECT_NE(hash(R"({"a":1})"), hash(R"({"a":1.0})"));
  EXPECT_NE(hash("{}"), hash("{}", 0));
  EXPECT_NE(command_key("api", "k"), command_key("gateway/x", "k"));
}

TEST(CommandRecord, AnAggregateLiesInOneShardForEver) {
  EXPECT_EQ(aggregate_shard("order", "o-1", 1), 0U);
  EXPECT_EQ(aggregate_shard("order", "o-1", 64), 50U);  // on disk: never another
  EXPECT_EQ(aggregate_shard("order", "o-2", 64), 45U);
}

// The reply is the last record, whatever else there is.
TEST(CommandBatch, HasAllOfItInOneOrder) {
  const auto event = [](const char* type) {
    return journal::Event{.attributes = {{"id", "1"}, {"type", type}}, .data = "1"};
  };
  effect::Commit commit{.aggregate = "order", .id = "o-1", .stream = {}, .expected = 0};
  commit.events = {event("a"), event("b"), event("a")};
  commit.published = 3;
  commit.reply = KeptReply{.command = "add", .id = "o-1", .version = 3, .events = 3};
  commit.scope = "command/add";
  commit.key = "k";
  commit.time_ms = 5;
  const CommandBatch made =
      make_batch(commit, {{"b", journal::StreamId(7)}}, {.shard = 0, .shards = 1, .epoch = 2});
  ASSERT_EQ(made.batch.appends.size(), 4U);
  EXPECT_EQ(made.batch.appends[0].records.size(), 3U);
  EXPECT_EQ(made.batch.appends[0].expected, 0U);
  EXPECT_EQ(made.batch.appends[1].records.size(), 2U);
  EXPECT_EQ(made.batch.appends[2].stream, journal::StreamRef(journal::StreamId(7)));
  EXPECT_EQ(made.batch.appends[3].records[0].type, kReplyRecord);
  EXPECT_EQ(made.created, (std::vector<std::string>{"", "a", ""}));
  EXPECT_EQ(made.batch.claims.size(), 3U);  // the id, the topic, the key
  EXPECT_EQ(made.batch.epoch, 2U);
}

// What was decided on must still be so, where only the reply is kept.
TEST(CommandBatch, ARefusalStandsOnTheVersionToo) {
  effect::Commit commit{.aggregate = "order", .id = "o-1", .stream = journal::StreamId(9), .expected = 4};
  commit.reply = KeptReply{.command = "add", .id = "o-1", .version = 4, .refused = true, .code = "no"};
  const CommandBatch made = make_batch(commit, {}, {});
  ASSERT_EQ(made.batch.appends.size(), 2U);
  EXPECT_TRUE(made.batch.appends[0].records.empty());
  EXPECT_EQ(made.batch.appends[0].expected, 4U);
}

}  // namespace
}  // namespace flotilla::cqrs
