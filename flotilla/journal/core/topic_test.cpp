#include "flotilla/journal/core/topic.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/event.hpp"

namespace flotilla::journal {
namespace {

Append event_in(StreamRef stream) {
  return {.record_class = RecordClass::topic,
          .stream = stream,
          .records = {{.type = kEventRecord, .body = encode(Event{}), .category = "orders"}}};
}

TEST(Topic, AnUnknownOneIsCreatedWithItsNameAndRow) {
  Batch batch;
  batch.shard = 3;
  batch.appends.push_back(event_in(topic_stream(batch, "orders", 64, std::nullopt)));
  ASSERT_EQ(batch.claims.size(), 1U);
  EXPECT_EQ(batch.claims[0].scope, kTopicScope);
  EXPECT_EQ(batch.claims[0].key, "3/orders");
  ASSERT_EQ(batch.summaries.size(), 1U);
  EXPECT_EQ(batch.summaries[0].name, "orders");
  EXPECT_EQ(batch.summaries[0].stream, batch.appends[0].stream);
  EXPECT_FALSE(check(batch, {{RecordClass::topic, kEventRecord, 1, "event"}}, 64));
}

TEST(Topic, AKnownOneIsAppendedTo) {
  Batch batch;
  EXPECT_EQ(topic_stream(batch, "orders", 1, StreamId(7)), StreamRef(StreamId(7)));
  EXPECT_TRUE(batch.claims.empty());
  EXPECT_TRUE(batch.summaries.empty());
  EXPECT_EQ(batch.created, 0U);
  EXPECT_EQ(topic_key("orders", 0, 1), "orders");
}

TEST(Topic, HasAPlainName) {
  EXPECT_TRUE(is_topic_name("order.created_2-x"));
  EXPECT_TRUE(is_topic_name(std::string(64, 'a')));
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("a b"), std::string(65, 'a')}) {
    EXPECT_FALSE(is_topic_name(name)) << name;
  }
}

}  // namespace
}  // namespace flotilla::journal
