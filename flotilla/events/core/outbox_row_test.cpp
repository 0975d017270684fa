// Rows of an outbox as events: what each column becomes, and what can be no event.
#include "flotilla/events/core/outbox_row.hpp"

#include <gtest/gtest.h>

namespace flotilla::events {
namespace {

OutboxRow row() {
  return {.position = 1,
          .xid = 100,
          .topic = "order.created",
          .id = "e-1",
          .key = "17",
          .type = "",
          .headers = R"({"correlationid": "c-1", "depth": 2, "nothing": null})",
          .data = R"({"total": 9.90})",
          .written = {1'700'000'000'123'000'000},
          .bytes = 15};
}

TEST(OutboxRow, BecomesAnEvent) {
  EXPECT_EQ(*render_event(row(), "/outbox/shop"),
            R"({"specversion":"1.0","id":"e-1","source":"/outbox/shop","type":"order.created",)"
            R"("time":"2023-11-14T22:13:20.123Z","datacontenttype":"application/json","partitionkey":"17",)"
            R"("correlationid":"c-1","depth":2,"data":{"total": 9.90}})");
  OutboxRow bare = row();
  bare.key.reset();
  bare.type = "created";
  bare.headers = "";
  bare.data = "null";
  EXPECT_EQ(
      *render_event(bare, "s"),
      R"({"specversion":"1.0","id":"e-1","source":"s","type":"created","time":"2023-11-14T22:13:20.123Z",)"
      R"("datacontenttype":"application/json","data":null})");
}

TEST(OutboxRow, RefusesWhatCanBeNoEvent) {
  const auto refused = [](auto change) {
    OutboxRow wrong = row();
    change(wrong);
    const auto event = render_event(wrong, "s");
    return event ? "" : event.error().message;
  };
  EXPECT_EQ(refused([](OutboxRow& r) { r.data = "{"; }).substr(0, 21), "its data is not JSON:");
  EXPECT_EQ(refused([](OutboxRow& r) { r.headers = "[]"; }), "its headers are no JSON object");
  EXPECT_EQ(refused([](OutboxRow& r) { r.headers = R"({"id": "x"})"; }),
            "its headers hold 'id', which a column says");
  EXPECT_EQ(refused([](OutboxRow& r) { r.id = ""; }), "its id is empty");
  EXPECT_EQ(refused([](OutboxRow& r) { r.topic = ""; }), "its topic is empty");
  EXPECT_EQ(refused([](OutboxRow& r) { r.bytes = kMaxOutboxRow + 1; }),
            "it has 1048577 bytes, of at most 1048576");
}

}  // namespace
}  // namespace flotilla::events
