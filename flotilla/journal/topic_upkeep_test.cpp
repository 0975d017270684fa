// Taking out the records of one topic.
#include "flotilla/journal/topic_upkeep.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"
#include "flotilla/journal/verify.hpp"

namespace flotilla::journal {
namespace {

using test::answer;
using test::append;
using test::at;
using test::of_category;
using test::record;
using testing::ElementsAre;
using testing::IsEmpty;

class Upkeep : public testing::TestWithParam<std::size_t> {
 protected:
  void open() {
    journal_.reset();
    journal_ =
        SqliteJournal::open({.path = path_, .vocabulary = test::vocabulary(), .tail_records = GetParam()})
            .value();
  }
  void publish(StreamId stream, std::string_view text, std::string category) {
    Batch batch = at(*journal_);
    batch.appends.push_back({RecordClass::topic, stream, {}, {record(text, std::move(category))}});
    ASSERT_TRUE(append(*journal_, std::move(batch)).has_value());
  }
  std::int64_t forget(std::string topic, Position until) {
    std::int64_t all = 0;
    for (std::int64_t gone = 1; gone > 0; all += gone) {
      gone = answer<Result<std::int64_t>>([&](auto done) {
               topic_upkeep(*journal_)->forget_topic(topic, until, std::move(done));
             }).value();
    }
    return all;
  }
  std::vector<std::string> in(std::string category) {
    return test::texts(test::read(*journal_, of_category(RecordClass::topic, std::move(category))).value());
  }

  test::Directory directory_;
  const std::string path_ = directory_.file("journal.db");
  std::unique_ptr<SqliteJournal> journal_;
};

TEST_P(Upkeep, TakesOutOneTopicUpToAPosition) {
  open();
  const StreamId orders = test::create(*journal_, RecordClass::topic, {"o1", "o2"}, "orders");
  const StreamId notes = test::create(*journal_, RecordClass::topic, {"n1"}, "notes");
  const Position until = journal_->position();
  publish(orders, "o3", "orders");
  publish(notes, "n2", "notes");
  EXPECT_EQ(forget("orders", until), 2);
  EXPECT_EQ(forget("orders", until), 0);
  EXPECT_EQ(forget("none", until), 0);
  EXPECT_THAT(in("orders"), ElementsAre("o3"));
  EXPECT_THAT(in("notes"), ElementsAre("n1", "n2"));
  open();
  EXPECT_THAT(in("orders"), ElementsAre("o3"));
  publish(orders, "o4", "orders");
  const auto page = test::read(*journal_, test::of_stream(RecordClass::topic, orders)).value();
  EXPECT_EQ(page.records.back()->record.version, 4U);
  EXPECT_EQ(forget("orders", journal_->position()), 2);
  EXPECT_THAT(in("orders"), IsEmpty());
  publish(orders, "o5", "orders");  // numbers never return
  EXPECT_EQ(test::read(*journal_, test::of_stream(RecordClass::topic, orders))
                .value()
                .records.at(0)
                ->record.version,
            5U);
  const auto report = verify_store(path_, test::vocabulary());
  EXPECT_THAT(report.value().problems, IsEmpty());
}

TEST_P(Upkeep, TakesOutOfPeriodsToo) {
  open();
  journal_->set_retention(RecordClass::topic, "orders", Millis{3'600'000});
  const StreamId orders = test::create(*journal_, RecordClass::topic, {"o1", "o2"}, "orders");
  journal_->set_retention(RecordClass::topic, "orders", Millis{0});
  publish(orders, "o3", "orders");
  EXPECT_EQ(forget("orders", journal_->position()), 3);
  EXPECT_THAT(verify_store(path_, test::vocabulary()).value().problems, IsEmpty());
}

TEST_P(Upkeep, FreesTheKeysOfAScope) {
  open();
  Batch batch = at(*journal_);
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::topic, stream, 0, {record("o1", "orders")}});
  for (int i = 0; i < 1500; ++i) {
    batch.claims.push_back({.scope = "event/orders", .key = std::to_string(i), .holder = stream});
  }
  batch.claims.push_back({.scope = "event/notes", .key = "1", .holder = stream});
  ASSERT_TRUE(append(*journal_, std::move(batch)));
  const auto free = [&] {
    return answer<Result<std::int64_t>>(
               [&](auto done) { journal_->forget_scope("event/orders", std::move(done)); })
        .value();
  };
  EXPECT_EQ(free(), static_cast<std::int64_t>(kMaxForgotten));
  EXPECT_EQ(free(), 500);
  EXPECT_EQ(free(), 0);
  EXPECT_FALSE(test::find(*journal_, "event/orders", "7"));
  EXPECT_TRUE(test::find(*journal_, "event/notes", "1"));
}

INSTANTIATE_TEST_SUITE_P(FromMemoryAndDisk, Upkeep, testing::Values(Tail::kMaxRecords, 0));

TEST(UpkeepOfOthers, IsNone) {
  MemoryJournal journal(test::vocabulary());
  EXPECT_EQ(topic_upkeep(journal), nullptr);
  EXPECT_EQ(compaction_upkeep(journal), nullptr);
  EXPECT_EQ(personal_upkeep(journal), nullptr);
}

}  // namespace
}  // namespace flotilla::journal
