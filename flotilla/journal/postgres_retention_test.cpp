// Forgetting in the shared store: whole periods, settled streams of our shards, expired claims.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/postgres_test_server.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using test::append;
using test::of_category;
using test::of_stream;
using test::record;
using test::texts;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kHour = 3'600'000;
constexpr Millis kDay{24 * kHour};

class PostgresRetention : public testing::Test {
 protected:
  void SetUp() override {
    const auto server = test::postgres_url();
    if (!server) {
      GTEST_SKIP() << "no PostgreSQL";
    }
    database_ = std::make_unique<test::Database>(*server);
    PostgresOptions options = database_->options();
    options.now = [this] { return UtcMillis(now_); };
    options.tail_records = 0;
    journal_ = PostgresJournal::open(std::move(options)).value();
  }
  [[nodiscard]] Batch now() const { return test::at(*journal_, now_); }
  void publish(StreamId stream, std::string_view text, std::string category) {
    Batch batch = now();
    batch.appends.push_back({RecordClass::topic, stream, {}, {record(text, std::move(category))}});
    ASSERT_TRUE(append(*journal_, std::move(batch)).has_value());
  }
  std::int64_t forget_periods(bool hard = false) {
    return test::answer<Result<std::int64_t>>(
               [&](auto done) { journal_->forget_periods(hard, std::move(done)); })
        .value();
  }
  std::vector<std::string> in(std::string category) {
    return texts(test::read(*journal_, of_category(RecordClass::topic, std::move(category))).value());
  }
  std::int64_t tables() {
    return database_->number("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'topic%'");
  }

  std::atomic<std::int64_t> now_ = 1'000 * kHour;
  std::unique_ptr<test::Database> database_;
  std::unique_ptr<PostgresJournal> journal_;
};

TEST_F(PostgresRetention, PeriodsGoWholeOnceAllOfThemIsOldAndNumbersGoOn) {
  const StreamId stream = test::create(*journal_, RecordClass::topic, {"kept"}, "for-ever");
  journal_->set_retention(RecordClass::topic, "a-day", kDay);
  publish(stream, "1", "a-day");
  now_ += kHour;
  publish(stream, "2", "a-day");
  now_ += 3 * kHour;  // another period: an eighth of a day is three hours
  publish(stream, "3", "a-day");
  publish(stream, "also kept", "for-ever");
  EXPECT_EQ(tables(), 3);
  EXPECT_THAT(in(""), ElementsAre("kept", "1", "2", "3", "also kept"));

  now_ += 20 * kHour;
  EXPECT_EQ(forget_periods(), 0);  // "2" may be but 23 hours old
  now_ += 3 * kHour;
  EXPECT_EQ(forget_periods(), 2);
  EXPECT_EQ(tables(), 2);
  EXPECT_THAT(in("a-day"), ElementsAre("3"));
  EXPECT_THAT(in(""), ElementsAre("kept", "3", "also kept"));
  EXPECT_THAT(texts(test::read(*journal_, of_stream(RecordClass::topic, stream)).value()),
              ElementsAre("kept", "3", "also kept"));
  now_ += 100 * kHour;
  EXPECT_EQ(forget_periods(), 1);
  EXPECT_EQ(forget_periods(), 0);
  publish(stream, "4", "a-day");
  EXPECT_THAT(in("a-day"), ElementsAre("4"));
}

TEST_F(PostgresRetention, VersionsGoOnAfterEverythingWasForgotten) {
  journal_->set_retention(RecordClass::topic, "t", kDay);
  const StreamId stream = test::create(*journal_, RecordClass::topic, {"1", "2"}, "t");
  now_ += 100 * kHour;
  EXPECT_EQ(forget_periods(), 2);
  Batch batch = now();
  batch.appends.push_back({RecordClass::topic, stream, 2, {record("3", "t")}});
  const auto appended = append(*journal_, std::move(batch));
  ASSERT_TRUE(appended.has_value()) << describe(appended.error());
  EXPECT_EQ(appended->position, Position(3));
}

TEST_F(PostgresRetention, APeriodWaitsForTheSubscriptionsOfItsCategories) {
  const auto save_cursor = [&](std::string category, Position position) {
    Batch batch = now();
    batch.cursors.push_back({"reader", RecordClass::topic, std::move(category), position, ""});
    ASSERT_TRUE(append(*journal_, std::move(batch)).has_value());
  };
  journal_->set_retention(RecordClass::topic, "t", kDay);
  test::create(*journal_, RecordClass::topic, {"1", "2"}, "t");
  now_ += 100 * kHour;
  save_cursor("t", Position(1));
  EXPECT_EQ(forget_periods(), 0);
  save_cursor("other", Position());
  EXPECT_EQ(forget_periods(), 2);
  test::create(*journal_, RecordClass::topic, {"3"}, "t");
  now_ += 100 * kHour;
  save_cursor("", Position(2));  // the whole class
  EXPECT_EQ(forget_periods(), 0);
  EXPECT_EQ(forget_periods(true), 1);
}

TEST_F(PostgresRetention, SettledStreamsAndExpiredClaimsGoAFewAtATime) {
  const auto saga = [&](std::string state) {
    Batch batch = now();
    const StreamRef stream = batch.create();
    batch.appends.push_back({RecordClass::saga, stream, {}, {record("a"), record("b")}});
    batch.claims.push_back({"s", state + std::to_string(now_), stream, {}, UtcMillis(now_ + 1)});
    batch.summaries.push_back({RecordClass::saga, stream, "order", std::move(state)});
    now_ += 10;
    return append(*journal_, std::move(batch)).value().created[0];
  };
  const StreamId running = saga("running");
  const StreamId first = saga("completed");
  saga("compensated");
  saga("completed");
  const auto forget = [&](const std::string& state, std::size_t limit) {
    return test::forget_sagas(*journal_, "order", state, UtcMillis(now_), limit);
  };
  EXPECT_EQ(forget("completed", 1), 2);
  EXPECT_EQ(forget("completed", 2), 2);
  EXPECT_EQ(forget("compensated", 2), 2);
  EXPECT_EQ(forget("completed", 2), 0);
  EXPECT_THAT(texts(test::read(*journal_, of_stream(RecordClass::saga, first)).value()), IsEmpty());
  EXPECT_THAT(texts(test::read(*journal_, of_stream(RecordClass::saga, running)).value()),
              ElementsAre("a", "b"));
  EXPECT_EQ(test::list(*journal_, {.record_class = RecordClass::saga}).value().size(), 1U);
  const auto forget_claims = [&] {
    return test::answer<Result<std::int64_t>>([&](auto done) { journal_->forget_claims(3, std::move(done)); })
        .value();
  };
  EXPECT_EQ(forget_claims(), 3);
  EXPECT_EQ(forget_claims(), 1);
  EXPECT_EQ(forget_claims(), 0);
}

TEST_F(PostgresRetention, OneTopicIsTakenOutUpToAPosition) {
  const auto forget = [&](std::string topic, Position until) {
    std::int64_t all = 0;
    for (std::int64_t gone = 1; gone > 0; all += gone) {
      gone = test::answer<Result<std::int64_t>>([&](auto done) {
               topic_upkeep(*journal_)->forget_topic(topic, until, std::move(done));
             }).value();
    }
    return all;
  };
  const StreamId orders = test::create(*journal_, RecordClass::topic, {"o1", "o2"}, "orders");
  journal_->set_retention(RecordClass::topic, "orders", kDay);
  publish(orders, "o3", "orders");  // in a period
  const StreamId notes = test::create(*journal_, RecordClass::topic, {"n1"}, "notes");
  const Position until = journal_->position();
  publish(orders, "o4", "orders");
  EXPECT_EQ(forget("orders", until), 3);
  EXPECT_EQ(forget("orders", until), 0);
  EXPECT_EQ(forget("none", until), 0);
  EXPECT_THAT(in("orders"), ElementsAre("o4"));
  EXPECT_THAT(in("notes"), ElementsAre("n1"));
  EXPECT_EQ(forget("orders", journal_->position()), 1);
  EXPECT_THAT(in("orders"), IsEmpty());
  publish(orders, "o5", "orders");  // versions never return
  const auto page = test::read(*journal_, of_stream(RecordClass::topic, orders)).value();
  EXPECT_EQ(page.records.back()->record.version, 5U);
  publish(notes, "n2", "notes");
}

TEST_F(PostgresRetention, TheKeysOfAScopeAreFreed) {
  Batch batch = now();
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::topic, stream, 0, {record("o1", "orders")}});
  for (int i = 0; i < 1500; ++i) {
    batch.claims.push_back({.scope = "event/orders", .key = std::to_string(i), .holder = stream});
  }
  batch.claims.push_back({.scope = "event/notes", .key = "1", .holder = stream});
  ASSERT_TRUE(append(*journal_, std::move(batch)));
  const auto free = [&] {
    return test::answer<Result<std::int64_t>>(
               [&](auto done) { topic_upkeep(*journal_)->forget_scope("event/orders", std::move(done)); })
        .value();
  };
  EXPECT_EQ(free(), static_cast<std::int64_t>(kMaxForgotten));
  EXPECT_EQ(free(), 500);
  EXPECT_EQ(free(), 0);
  EXPECT_FALSE(test::find(*journal_, "event/orders", "7"));
  EXPECT_TRUE(test::find(*journal_, "event/notes", "1"));
}

}  // namespace
}  // namespace flotilla::journal
