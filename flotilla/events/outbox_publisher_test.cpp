// What the platform's answers mean to an outbox, and which names its tables have.
#include "flotilla/events/outbox_publisher.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/outbox_table.hpp"

namespace flotilla::events {
namespace {

using Kind = outbox_input::Answer::Kind;

TEST(OutboxPublisher, TakesNothingForAnAcknowledgementThatIsNone) {
  const char* two =
      R"({"position":"0-1","events":[{"id":"a","duplicate":true},{"id":"b","duplicate":false}]})";
  const auto taken = read_publish_answer(7, 2, 202, two);
  EXPECT_EQ(taken.request, 7U);
  EXPECT_EQ(taken.kind, Kind::published);
  EXPECT_EQ(taken.duplicates, 1U);
  EXPECT_EQ(read_publish_answer(7, 3, 202, two).kind, Kind::unavailable);
  EXPECT_EQ(read_publish_answer(7, 2, 202, "").kind, Kind::unavailable);
  EXPECT_EQ(read_publish_answer(7, 2, 200, two).kind, Kind::unavailable);
}

TEST(OutboxPublisher, KnowsRefusalsFromWhatMayBeTriedAgain) {
  for (const std::uint16_t status : std::vector<std::uint16_t>{400, 413, 422}) {
    EXPECT_EQ(read_publish_answer(1, 1, status, "").kind, Kind::refused) << status;
  }
  EXPECT_EQ(read_publish_answer(1, 1, 404, "").kind, Kind::no_topic);
  for (const std::uint16_t status :
       std::vector<std::uint16_t>{301, 401, 403, 408, 409, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(read_publish_answer(1, 1, status, "").kind, Kind::unavailable) << status;
  }
  EXPECT_EQ(read_publish_answer(1, 1, 422, R"({"detail": "event 1: no"})").detail, "422 event 1: no");
}

TEST(OutboxTable, ReadsNames) {
  OutboxPlace place;
  EXPECT_TRUE(read_table_name("outbox", place));
  EXPECT_EQ(place.schema, "public");
  EXPECT_TRUE(read_table_name("shop.out_box2", place));
  EXPECT_EQ(place.schema, "shop");
  EXPECT_EQ(place.table, "out_box2");
  for (const char* wrong : {"", ".", "a.", ".b", "a.b.c", "1a", "a b", "a\"b", "a;b", "\xc3\xa4"}) {
    EXPECT_FALSE(read_table_name(wrong, place)) << wrong;
  }
  EXPECT_FALSE(read_table_name(std::string(64, 'a'), place));
}

}  // namespace
}  // namespace flotilla::events
