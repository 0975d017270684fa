#include "flotilla/saga/core/saga_batch.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/event.hpp"

namespace flotilla::saga {
namespace {

const SagaId kSaga = *SagaId::parse("01JDDK7V8G0000000000000001");

effect::Append first() {
  effect::Append append{.saga = kSaga, .expected = 0, .epoch = 3, .time = 1000};
  append.records = {{.type = 1, .body = "a"}};
  append.name = "order";
  append.state = "scheduled";
  append.definition = "d1";
  append.key = scoped_key("me", "k1");
  append.locks = append.all_locks = {"order:7"};
  return append;
}

TEST(SagaBatch, TheFirstClaimsIdAndKey) {
  const SagaBatch built = make_batch(first(), std::nullopt, {}, true);
  EXPECT_TRUE(built.creates_saga);
  ASSERT_EQ(built.batch.claims.size(), 2U);
  EXPECT_EQ(built.batch.claims[0].scope, "saga");
  EXPECT_EQ(built.batch.claims[0].key, kSaga.text());
  EXPECT_EQ(built.batch.claims[1].scope, "saga-key/order");
  EXPECT_EQ(built.batch.claims[1].key, "me\nk1");
  EXPECT_EQ(built.batch.summaries.at(0).state, "running") << "its locks were free";
  const auto row = read_row(built.batch.summaries.at(0).attributes);
  ASSERT_TRUE(row) << row.error().message;
  EXPECT_EQ(row->id, kSaga);
  EXPECT_EQ(row->locks, (std::vector<std::string>{"order:7"}));
  EXPECT_FALSE(check(built.batch, saga_vocabulary()));
}

TEST(SagaBatch, ThoseOfANestedOneStay) {
  effect::Append last = first();
  last.parent = *SagaId::parse("01JDDK7V8G0000000000000009");
  last.expected = 4;
  last.release_locks = true;
  last.keep = std::chrono::hours(24);
  const SagaBatch built = make_batch(last, journal::StreamId(9), {}, false);
  EXPECT_TRUE(built.batch.expiries.empty()) << "until its parent has ended, which nobody knows here";
  EXPECT_EQ(read_row(built.batch.summaries.at(0).attributes)->parent, last.parent);
}

TEST(SagaBatch, TheLastLetsClaimsExpire) {
  effect::Append last = first();
  last.expected = 4;
  last.state = "completed";
  last.release_locks = true;
  last.all_locks.clear();
  last.keep = std::chrono::days(1);
  const SagaBatch built = make_batch(last, journal::StreamId(9), {}, false);
  EXPECT_FALSE(built.creates_saga);
  EXPECT_TRUE(built.batch.claims.empty());
  ASSERT_EQ(built.batch.expiries.size(), 2U);
  EXPECT_EQ(built.batch.expiries[0].expires.value(), 1000 + to_millis(std::chrono::days(8)));
  EXPECT_EQ(built.batch.expiries[1].expires.value(), 1000 + to_millis(kKeepKey));
}

TEST(SagaBatch, EventsGoToTheStreamsOfTheirTopics) {
  effect::Append append = first();
  append.events = {{.id = "e1", .topic = "order.placed", .data = {}},
                   {.id = "e2", .topic = "audit", .data = {}},
                   {.id = "e3", .topic = "order.placed", .data = {}}};
  const SagaBatch built = make_batch(append, std::nullopt, {{"audit", journal::StreamId(5)}}, false);
  EXPECT_EQ(built.new_topics, (std::vector<std::string>{"order.placed"}));
  ASSERT_EQ(built.batch.appends.size(), 3U);
  EXPECT_EQ(built.batch.appends[1].records.size(), 2U);
  EXPECT_EQ(built.batch.appends[1].records[0].category, "order.placed");
  EXPECT_EQ(built.batch.appends[2].stream, journal::StreamRef(journal::StreamId(5)));
  const auto event = journal::decode_event(built.batch.appends[1].records[1].body);
  ASSERT_TRUE(event) << event.error().message;
  EXPECT_EQ(event->attribute("id"), "e3");
  EXPECT_EQ(event->attribute("correlationid"), kSaga.text());
}

TEST(SagaBatch, RowsWithTooManyLocksSaySo) {
  Row row{.id = kSaga, .definition = "d", .reason = {}, .step = {}, .locks = {std::string(3000, 'x')}};
  const auto read = read_row(write_row(row));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->locks_elsewhere);
  EXPECT_FALSE(read_row("{}"));
  EXPECT_FALSE(read_row("nonsense"));
}

}  // namespace
}  // namespace flotilla::saga
