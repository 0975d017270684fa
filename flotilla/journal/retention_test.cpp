// Forgetting: whole periods of topics, settled streams, expired claims. Nothing else goes, numbers never
// return.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"
#include "flotilla/journal/verify.hpp"

namespace flotilla::journal {
namespace {

using test::append;
using test::at;
using test::of_category;
using test::of_stream;
using test::record;
using test::texts;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kHour = 3'600'000;
constexpr Millis kDay{24 * kHour};

class Retention : public testing::Test {
 protected:
  std::unique_ptr<SqliteJournal> open() {
    return SqliteJournal::open({.path = path_,
                                .vocabulary = test::vocabulary(),
                                .tail_records = 0,
                                .now = [this] { return UtcMillis(now_); }})
        .value();
  }
  void publish(StreamId stream, std::string_view text, std::string category) {
    Batch batch = at(*journal_, now_);
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
  void expect_whole() {
    const auto report = verify_store(path_, test::vocabulary());
    ASSERT_TRUE(report.has_value()) << report.error().message;
    EXPECT_THAT(report->problems, IsEmpty());
  }
  void save_cursor(std::string category, Position position) {
    Batch batch = at(*journal_, now_);
    batch.cursors.push_back({"reader", RecordClass::topic, std::move(category), position, ""});
    ASSERT_TRUE(append(*journal_, std::move(batch)).has_value());
  }

  test::Directory directory_;
  const std::string path_ = directory_.file("journal.db");
  std::int64_t now_ = 1'000 * kHour;
  std::unique_ptr<SqliteJournal> journal_ = open();
};

TEST_F(Retention, PeriodsGoWholeOnceAllOfThemIsOld) {
  const StreamId stream = test::create(*journal_, RecordClass::topic, {"kept"}, "for-ever");
  journal_->set_retention(RecordClass::topic, "a-day", kDay);
  publish(stream, "1", "a-day");
  now_ += kHour;
  publish(stream, "2", "a-day");
  now_ += 3 * kHour;  // another period: an eighth of a day is three hours
  publish(stream, "3", "a-day");
  publish(stream, "also kept", "for-ever");

  now_ += 20 * kHour;
  EXPECT_EQ(forget_periods(), 0);  // "2" may be but 23 hours old
  now_ += 3 * kHour;
  EXPECT_EQ(forget_periods(), 2);
  EXPECT_THAT(in("a-day"), ElementsAre("3"));
  EXPECT_THAT(in("for-ever"), ElementsAre("kept", "also kept"));
  EXPECT_THAT(in(""), ElementsAre("kept", "3", "also kept"));
  EXPECT_THAT(texts(test::read(*journal_, of_stream(RecordClass::topic, stream)).value()),
              ElementsAre("kept", "3", "also kept"));
  expect_whole();

  now_ += 100 * kHour;
  EXPECT_EQ(forget_periods(), 1);
  EXPECT_EQ(forget_periods(), 0);
  EXPECT_THAT(in("a-day"), IsEmpty());
  publish(stream, "4", "a-day");
  EXPECT_THAT(in("a-day"), ElementsAre("4"));
  expect_whole();
}

TEST_F(Retention, NumbersGoOnAfterEverythingWasForgotten) {
  journal_->set_retention(RecordClass::topic, "t", kDay);
  const StreamId stream = test::create(*journal_, RecordClass::topic, {"1", "2"}, "t");
  now_ += 100 * kHour;
  EXPECT_EQ(forget_periods(), 2);
  journal_.reset();
  journal_ = open();
  EXPECT_EQ(journal_->position(), Position(2));
  Batch batch = at(*journal_, now_);
  batch.appends.push_back({RecordClass::topic, stream, 2, {record("3", "t")}});
  const auto appended = append(*journal_, std::move(batch));
  ASSERT_TRUE(appended.has_value()) << describe(appended.error());
  EXPECT_EQ(appended->position, Position(3));
  EXPECT_EQ(test::create(*journal_, RecordClass::topic, {"x"}), StreamId(stream.value() + 1));
  expect_whole();
}

TEST_F(Retention, APeriodWaitsForTheSubscriptionsOfItsCategories) {
  journal_->set_retention(RecordClass::topic, "t", kDay);
  test::create(*journal_, RecordClass::topic, {"1", "2"}, "t");
  now_ += 100 * kHour;
  save_cursor("t", Position(1));
  EXPECT_EQ(forget_periods(), 0);
  save_cursor("other", Position());  // no longer this category
  EXPECT_EQ(forget_periods(), 2);

  test::create(*journal_, RecordClass::topic, {"3"}, "t");
  now_ += 100 * kHour;
  save_cursor("", Position(2));  // the whole class
  EXPECT_EQ(forget_periods(), 0);
  EXPECT_EQ(forget_periods(true), 1);
  expect_whole();
}

TEST_F(Retention, ChangingTheRetentionKeepsTheOrderOfACategory) {
  const StreamId stream = test::create(*journal_, RecordClass::topic, {"0"}, "t");
  std::vector<std::string> all{"0"};
  for (int i = 1; i < 40; ++i) {
    journal_->set_retention(RecordClass::topic, "t", i % 3 == 0 ? Millis(0) : kDay * (i % 3));
    all.push_back(std::to_string(i));
    publish(stream, all.back(), "t");
    now_ += kHour;
  }
  EXPECT_EQ(in("t"), all);
  std::vector<std::string> seen;
  CategoryQuery query = of_category(RecordClass::topic, "t");
  query.limits.records = 7;
  for (bool at_end = false; !at_end;) {
    const Page page = test::read(*journal_, query).value();
    for (const std::string& text : texts(page)) {
      seen.push_back(text);
    }
    query.after = page.next;
    at_end = page.at_end;
  }
  EXPECT_EQ(seen, all);
  expect_whole();
}

TEST_F(Retention, SettledStreamsGoAFewAtATime) {
  const auto saga = [&](std::string state) {
    Batch batch = at(*journal_, now_);
    const StreamRef stream = batch.create();
    batch.appends.push_back({RecordClass::saga, stream, {}, {record("a"), record("b")}});
    batch.summaries.push_back({RecordClass::saga, stream, "order", std::move(state)});
    return append(*journal_, std::move(batch)).value().created[0];
  };
  const StreamId running = saga("running");
  const StreamId first = saga("completed");
  saga("compensated");
  saga("completed");
  now_ += kHour;
  const StreamId fresh = saga("completed");
  const auto forget = [&](const std::string& state, std::size_t limit) {
    return test::forget_sagas(*journal_, "order", state, UtcMillis(now_), limit);
  };
  EXPECT_EQ(forget("completed", 1), 2);
  EXPECT_EQ(forget("completed", 2), 2);
  EXPECT_EQ(forget("compensated", 2), 2);
  EXPECT_EQ(forget("completed", 2), 0);
  EXPECT_EQ(test::list(*journal_, {.record_class = RecordClass::saga}).value().size(), 2U);
  EXPECT_TRUE(test::summary(*journal_, running).has_value());
  EXPECT_TRUE(test::summary(*journal_, fresh).has_value());
  EXPECT_THAT(texts(test::read(*journal_, of_stream(RecordClass::saga, first)).value()), IsEmpty());
  EXPECT_THAT(texts(test::read(*journal_, of_stream(RecordClass::saga, running)).value()),
              ElementsAre("a", "b"));
  expect_whole();
}

TEST_F(Retention, ExpiredClaimsGoOldestFirst) {
  Batch batch = at(*journal_, now_);
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::saga, stream, {}, {record("a")}});
  batch.claims.push_back({"s", "never", stream, {}, {}});
  batch.claims.push_back({"s", "later", stream, {}, UtcMillis(now_ + 2)});
  batch.claims.push_back({"s", "sooner", stream, {}, UtcMillis(now_ + 1)});
  ASSERT_TRUE(append(*journal_, std::move(batch)).has_value());
  const auto forget = [&] {
    return test::answer<Result<std::int64_t>>([&](auto done) { journal_->forget_claims(1, std::move(done)); })
        .value();
  };
  EXPECT_EQ(forget(), 0);
  now_ += 2;
  EXPECT_EQ(forget(), 1);
  EXPECT_FALSE(test::find(*journal_, "s", "sooner").has_value());
  EXPECT_TRUE(test::find(*journal_, "s", "later").has_value());
  EXPECT_EQ(forget(), 1);
  EXPECT_EQ(forget(), 0);
  EXPECT_TRUE(test::find(*journal_, "s", "never").has_value());
}

}  // namespace
}  // namespace flotilla::journal
