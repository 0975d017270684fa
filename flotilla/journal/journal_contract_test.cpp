// What every journal must do, whatever keeps it. Run against the memory journal and against each store.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/moment.hpp"
#include "flotilla/journal/subscription.hpp"
#include "flotilla/journal/test_stores.hpp"
#include "flotilla/journal/test_support.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::journal {
namespace {

using namespace std::chrono_literals;
using test::append;
using test::at;
using test::create;
using test::of_category;
using test::of_stream;
using test::record;
using test::texts;
using testing::ElementsAre;
using testing::IsEmpty;

class JournalContract : public testing::TestWithParam<test::Store> {
 protected:
  void SetUp() override {
    if (owner_ == nullptr) {
      GTEST_SKIP() << "no PostgreSQL";
    }
  }
  // The n-th stream that was created.
  [[nodiscard]] StreamId nth(std::uint64_t n) const { return stream_id(n, 0, journal_.shards()); }

  test::Place place_;
  std::unique_ptr<Journal> owner_ = GetParam().open(place_);
  Journal& journal_ = *owner_;

  // Runs `body` on a loop until it ends.
  template <class Body>
  static void on_loop(Body body) {
    auto loop = net::Loop::create();
    ASSERT_TRUE(loop.has_value());
    net::Scope scope;
    auto main = [](net::Loop& l, Body& b) -> net::Task<> {
      co_await b(l);
      l.stop();
    };
    (*loop)->post([&] { scope.spawn(main(**loop, body)); });
    (*loop)->run();
  }
};

TEST_P(JournalContract, NumbersStreamsVersionsAndPositionsFromOneWithoutGaps) {
  Batch batch = at(journal_, 42);
  const StreamRef first = batch.create();
  const StreamRef second = batch.create();
  batch.appends.push_back({RecordClass::saga, first, {}, {record("a"), record("b")}});
  batch.appends.push_back({RecordClass::topic, second, {}, {record("c", "order.created")}});
  const auto appended = append(journal_, std::move(batch));
  ASSERT_TRUE(appended.has_value());
  EXPECT_EQ(appended->created, (std::vector{nth(1), nth(2)}));
  EXPECT_EQ(appended->versions, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(appended->position, Position(3));
  EXPECT_EQ(journal_.position(), Position(3));

  const Page page = test::read(journal_, of_stream(RecordClass::saga, nth(1))).value();
  ASSERT_THAT(texts(page), ElementsAre("a", "b"));
  EXPECT_TRUE(page.at_end);
  const StoredRecord& b = *page.records[1];
  EXPECT_EQ(b.position, Position(2));
  EXPECT_EQ(b.record, (Record{.record_class = RecordClass::saga,
                              .stream = nth(1),
                              .version = 2,
                              .epoch = journal_.epoch(),
                              .type = 1,
                              .time = UtcMillis(42),
                              .body = test::body("b")}));
}

TEST_P(JournalContract, TheExpectedVersionDecidesBetweenTwo) {
  const StreamId stream = create(journal_, RecordClass::aggregate, {"a"});
  const auto next = [&](std::optional<std::uint64_t> expected) {
    Batch batch = at(journal_);
    batch.appends.push_back({RecordClass::aggregate, stream, expected, {record("b")}});
    return append(journal_, std::move(batch));
  };
  EXPECT_TRUE(next(1).has_value());
  const auto lost = next(1);
  ASSERT_FALSE(lost.has_value());
  const auto& conflict = std::get<VersionConflict>(lost.error());
  EXPECT_EQ(conflict.expected, 1U);
  EXPECT_EQ(conflict.actual, 2U);
  EXPECT_EQ(describe(lost.error()),
            fmt::format("the aggregate stream {} is at version 2, not 1: somebody else was quicker",
                        stream.value()));
  EXPECT_FALSE(next(0).has_value());
  EXPECT_EQ(next({}).value().versions, std::vector<std::uint64_t>{3});
}

TEST_P(JournalContract, ABatchHappensAsAWholeOrNotAtAll) {
  const StreamId stream = create(journal_, RecordClass::saga, {"a"});
  Batch batch = at(journal_);
  const StreamRef fresh = batch.create();
  batch.appends.push_back({RecordClass::topic, fresh, {}, {record("x", "t")}});
  batch.appends.push_back({RecordClass::saga, stream, 7, {record("b")}});
  batch.claims.push_back({"s", "k", fresh, {}, {}});
  batch.summaries.push_back({RecordClass::topic, fresh, "n", "s"});
  batch.cursors.push_back({"c", RecordClass::topic, "t", Position(1), ""});
  EXPECT_TRUE(std::holds_alternative<VersionConflict>(append(journal_, std::move(batch)).error()));
  EXPECT_EQ(journal_.position(), Position(1));
  EXPECT_EQ(test::find(journal_, "s", "k"), std::nullopt);
  EXPECT_EQ(test::cursor(journal_, "c"), std::nullopt);
  EXPECT_THAT(test::list(journal_, {.record_class = RecordClass::topic}).value(), IsEmpty());
  EXPECT_THAT(texts(test::read(journal_, of_category(RecordClass::topic, "t")).value()), IsEmpty());
  EXPECT_EQ(create(journal_, RecordClass::saga, {"next"}), nth(2));  // no number was used up
}

TEST_P(JournalContract, AConditionOnAStreamThatIsNotWritten) {
  const StreamId condition = create(journal_, RecordClass::aggregate, {"a"});
  const auto attempt = [&](std::uint64_t version) {
    Batch batch = at(journal_);
    batch.appends.push_back({RecordClass::aggregate, condition, version, {}});
    batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("b")}});
    return append(journal_, std::move(batch));
  };
  EXPECT_TRUE(std::holds_alternative<VersionConflict>(attempt(2).error()));
  EXPECT_EQ(attempt(1).value().versions, (std::vector<std::uint64_t>{1, 1}));
}

TEST_P(JournalContract, AStaleEpochWritesNothing) {
  Batch batch = at(journal_);
  batch.epoch -= 1;
  batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("a")}});
  const auto result = append(journal_, std::move(batch));
  EXPECT_EQ(std::get<StaleEpoch>(result.error()).current, journal_.epoch());
  EXPECT_EQ(journal_.position(), Position());
}

TEST_P(JournalContract, AKeyHasOneHolderUntilItExpires) {
  Hash hash{};
  hash[31] = 9;
  const auto start = [&](std::int64_t time, std::int64_t expires) {
    Batch batch = at(journal_, time);
    const StreamRef saga = batch.create();
    batch.appends.push_back({RecordClass::saga, saga, {}, {record("a")}});
    batch.claims.push_back({"alice/place-order", "key-1", saga, hash, UtcMillis(expires)});
    return append(journal_, std::move(batch));
  };
  ASSERT_TRUE(start(100, 200).has_value());
  const auto second = start(199, 300);
  ASSERT_FALSE(second.has_value());
  const auto& taken = std::get<KeyTaken>(second.error());
  EXPECT_EQ(taken.key, "key-1");
  EXPECT_EQ(taken.holder, (Holder{nth(1), hash, UtcMillis(200)}));
  EXPECT_EQ(test::find(journal_, "alice/place-order", "key-1"), taken.holder);
  EXPECT_EQ(test::find(journal_, "bob/place-order", "key-1"), std::nullopt);

  EXPECT_EQ(start(200, 0).value().created[0], nth(2));  // its time is over
  EXPECT_FALSE(start(1'000'000, 0).has_value());        // 0 is never
}

TEST_P(JournalContract, AKeyIsReleasedByItsHolderAloneAndCanChangeHandsInOneBatch) {
  const StreamId first = create(journal_, RecordClass::saga, {"a"});
  const StreamId second = create(journal_, RecordClass::saga, {"b"});
  Batch batch = at(journal_);
  batch.claims.push_back({"lock", "order:1", first, {}, {}});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());

  batch = at(journal_);
  batch.expiries.push_back({"lock", "order:1", second, UtcMillis(1)});
  batch.expiries.push_back({"lock", "order:2", second, UtcMillis(1)});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::find(journal_, "lock", "order:1")->stream, first);

  batch = at(journal_);
  batch.expiries.push_back({"lock", "order:1", first, UtcMillis(1)});
  batch.claims.push_back({"lock", "order:1", second, {}, {}});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::find(journal_, "lock", "order:1")->stream, second);

  batch = at(journal_, 1'000);
  batch.expiries.push_back({"lock", "order:1", second, UtcMillis(5'000)});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::find(journal_, "lock", "order:1")->expires, UtcMillis(5'000));

  batch = at(journal_, 5'000);
  batch.expiries.push_back({"lock", "order:1", second, UtcMillis(5'000)});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::find(journal_, "lock", "order:1"), std::nullopt);
}

TEST_P(JournalContract, OneBatchCannotClaimAKeyTwice) {
  Batch batch = at(journal_);
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::topic, stream, {}, {record("a")}});
  batch.claims.push_back({"dedup", "id-1", stream, {}, {}});
  batch.claims.push_back({"dedup", "id-1", stream, {}, {}});
  EXPECT_EQ(std::get<KeyTaken>(append(journal_, std::move(batch)).error()).holder.stream, StreamId());
  EXPECT_EQ(test::find(journal_, "dedup", "id-1"), std::nullopt);
}

TEST_P(JournalContract, ReadsAStreamInPages) {
  std::vector<std::string> all;
  for (int i = 0; i < 25; ++i) {
    all.push_back(std::to_string(i));
  }
  const StreamId stream = create(journal_, RecordClass::queue, all);
  create(journal_, RecordClass::queue, {"other"});
  std::vector<std::string> seen;
  std::uint64_t version = 0;
  for (int pages = 0;; ++pages) {
    ASSERT_LT(pages, 4);
    const Page page =
        test::read(journal_, StreamQuery{RecordClass::queue, stream, version, {.records = 10}}).value();
    for (const RecordPtr& stored : page.records) {
      EXPECT_EQ(stored->record.version, ++version);
      seen.push_back(test::text_of(*stored));
    }
    if (page.at_end) {
      break;
    }
  }
  EXPECT_EQ(seen, all);
  EXPECT_THAT(texts(test::read(journal_, of_stream(RecordClass::saga, stream)).value()), IsEmpty());
  EXPECT_THAT(texts(test::read(journal_, of_stream(RecordClass::queue, nth(99))).value()), IsEmpty());
}

TEST_P(JournalContract, ReadsACategoryOrAClassInTheOrderOfPositions) {
  const StreamId one = create(journal_, RecordClass::topic, {"a1"}, "a");
  const StreamId two = create(journal_, RecordClass::topic, {"b1"}, "b");
  create(journal_, RecordClass::saga, {"saga"},
         "a");  // another class, though the category is called the same
  Batch batch = at(journal_);
  batch.appends.push_back({RecordClass::topic, two, {}, {record("a2", "a"), record("none")}});
  batch.appends.push_back({RecordClass::topic, one, {}, {record("b2", "b"), record("a3", "a")}});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());

  Page page = test::read(journal_, of_category(RecordClass::topic, "a")).value();
  EXPECT_THAT(texts(page), ElementsAre("a1", "a2", "a3"));
  EXPECT_EQ(page.records[1]->category, "a");
  EXPECT_TRUE(page.at_end);
  EXPECT_EQ(page.next, Position(7));
  page = test::read(journal_, CategoryQuery{RecordClass::topic, "a", {}, {.records = 2}}).value();
  EXPECT_THAT(texts(page), ElementsAre("a1", "a2"));
  EXPECT_FALSE(page.at_end);
  page = test::read(journal_, CategoryQuery{RecordClass::topic, "a", page.next, {.records = 2}}).value();
  EXPECT_THAT(texts(page), ElementsAre("a3"));
  EXPECT_TRUE(page.at_end);
  EXPECT_THAT(texts(test::read(journal_, of_category(RecordClass::topic, "")).value()),
              ElementsAre("a1", "b1", "a2", "none", "b2", "a3"));
  EXPECT_THAT(texts(test::read(journal_, of_category(RecordClass::topic, "nobody")).value()), IsEmpty());
}

TEST_P(JournalContract, APageIsBoundedByBytesButHoldsOneRecordAtLeast) {
  const std::string big(1000, 'x');
  const StreamId stream = create(journal_, RecordClass::topic, {big, big, big}, "t");
  const auto by_stream =
      test::read(journal_, StreamQuery{RecordClass::topic, stream, 0, {.bytes = 2500}}).value();
  EXPECT_EQ(by_stream.records.size(), 2U);
  EXPECT_FALSE(by_stream.at_end);
  const auto in_category =
      test::read(journal_, CategoryQuery{RecordClass::topic, "t", {}, {.bytes = 1}}).value();
  EXPECT_EQ(in_category.records.size(), 1U);
  EXPECT_EQ(in_category.next, Position(1));
  EXPECT_FALSE(in_category.at_end);
}

TEST_P(JournalContract, ListsByNameAndStateInPages) {
  for (int i = 0; i < 6; ++i) {
    Batch batch = at(journal_, 100 + i);
    const StreamRef saga = batch.create();
    batch.appends.push_back({RecordClass::saga, saga, {}, {record("a")}});
    batch.summaries.push_back({RecordClass::saga, saga, i % 2 == 0 ? "order" : "refund",
                               i < 3 ? "running" : "completed", R"({"user":"u1"})"});
    ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  }
  const auto ids = [&](SummaryQuery query) {
    std::vector<std::uint64_t> found;
    for (const Summary& row : test::list(journal_, std::move(query)).value()) {
      found.push_back(row.stream.value() / journal_.shards());
    }
    return found;
  };
  EXPECT_THAT(ids({.record_class = RecordClass::saga}), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(ids({.record_class = RecordClass::saga, .newest_first = false, .limit = 2}), ElementsAre(1, 2));
  EXPECT_THAT(ids({.record_class = RecordClass::saga, .newest_first = false, .after = nth(4)}),
              ElementsAre(5, 6));
  EXPECT_THAT(ids({.record_class = RecordClass::saga, .after = nth(3)}), ElementsAre(2, 1));
  EXPECT_THAT(ids({.record_class = RecordClass::saga, .name = "order"}), ElementsAre(5, 3, 1));
  EXPECT_THAT(ids({.record_class = RecordClass::saga, .state = "running"}), ElementsAre(3, 2, 1));
  EXPECT_THAT(ids({.record_class = RecordClass::saga, .name = "order", .state = "running", .after = nth(3)}),
              ElementsAre(1));
  EXPECT_THAT(ids({.record_class = RecordClass::queue}), IsEmpty());
  EXPECT_EQ(test::count(journal_, {.record_class = RecordClass::saga}),
            (std::vector<StateCount>{{"order", "completed", 1},
                                     {"order", "running", 2},
                                     {"refund", "completed", 2},
                                     {"refund", "running", 1}}));
}

TEST_P(JournalContract, RowsAreFoundByWhatTheySayAndByTheirAge) {
  std::vector<StreamId> streams;
  const auto put = [&](std::int64_t time, std::string attributes) {
    Batch batch = at(journal_, time);
    const StreamRef stream = batch.create();
    batch.appends.push_back({RecordClass::saga, stream, {}, {record("a")}});
    batch.summaries.push_back({RecordClass::saga, stream, "order", "running", std::move(attributes)});
    const auto appended = append(journal_, std::move(batch));
    ASSERT_TRUE(appended.has_value());
    streams.push_back(appended->created[0]);
  };
  put(1'000, R"({"search":{"user":"u1","order-no":"7"}})");
  put(2'000, R"({"search":{"user":"u2","order-no":"7"},"user":"u1"})");
  put(3'000, R"({"id":"x"})");
  put(4'000, R"(no JSON, "search")");
  put(5'000, R"({"search":["u1"]})");
  put(6'000, R"({"search":{"user":7,"user":"u1","user":"u1"}})");
  // Which of them, counted from 1.
  const auto found = [&](SummaryQuery query) {
    query.record_class = RecordClass::saga;
    std::vector<std::ptrdiff_t> which;
    for (const Summary& row : test::list(journal_, std::move(query)).value()) {
      which.push_back(std::ranges::find(streams, row.stream) - streams.begin() + 1);
    }
    return which;
  };
  EXPECT_THAT(found({.search = {{"order-no", "7"}}}), ElementsAre(2, 1));
  EXPECT_THAT(found({.search = {{"order-no", "7"}, {"user", "u1"}}}), ElementsAre(1));
  EXPECT_THAT(found({.newest_first = false, .after = streams[0], .search = {{"order-no", "7"}}}),
              ElementsAre(2));
  EXPECT_THAT(found({.after = streams[1], .search = {{"order-no", "7"}}}), ElementsAre(1));
  EXPECT_THAT(found({.name = "order", .state = "running", .limit = 1, .search = {{"order-no", "7"}}}),
              ElementsAre(2));
  EXPECT_THAT(found({.name = "other", .search = {{"order-no", "7"}}}), IsEmpty());
  EXPECT_THAT(found({.search = {{"user", "u3"}}}), IsEmpty());
  EXPECT_THAT(found({.search = {{"') OR 1 --", "'"}}}), IsEmpty());
  EXPECT_THAT(found({.changed_before = UtcMillis(3'000)}), ElementsAre(2, 1));
  EXPECT_THAT(found({.changed_before = UtcMillis(2'000), .search = {{"user", "u2"}}}), IsEmpty());
}

TEST_P(JournalContract, RowsAreFoundAndCountedByWhatTheyFirstSaidUntilTheyGo) {
  const auto put = [&](std::string name, std::string user) {
    Batch batch = at(journal_);
    const StreamRef stream = batch.create();
    batch.appends.push_back({RecordClass::saga, stream, {}, {record("a")}});
    batch.summaries.push_back({RecordClass::saga, stream, std::move(name), "running",
                               R"({"search":{"shop":"s1","user":")" + user + R"("}})"});
    return append(journal_, std::move(batch)).value().created[0];
  };
  const StreamId first = put("order", "u1");
  const StreamId second = put("order", "u2");
  put("refund", "u1");
  const auto counts = [&](CountQuery query) {
    std::string all;
    for (const StateCount& each : test::count(journal_, std::move(query))) {
      all += each.name + " " + each.state + " " + std::to_string(each.count) + "\n";
    }
    return all;
  };
  Batch end = at(journal_);
  end.summaries.push_back({RecordClass::saga, first, "order", "completed", R"({"search":{"user":"u3"}})"});
  ASSERT_TRUE(append(journal_, std::move(end)).has_value());
  EXPECT_EQ(counts({}), "order completed 1\norder running 1\nrefund running 1\n");
  EXPECT_EQ(counts({.name = "order"}), "order completed 1\norder running 1\n");
  EXPECT_EQ(counts({.state = "running"}), "order running 1\nrefund running 1\n");
  EXPECT_EQ(counts({.search = {{"user", "u1"}}}), "order completed 1\nrefund running 1\n");
  EXPECT_EQ(counts({.name = "order", .state = "completed", .search = {{"user", "u1"}, {"shop", "s1"}}}),
            "order completed 1\n");
  EXPECT_EQ(counts({.search = {{"user", "u3"}}}), "");
  EXPECT_EQ(counts({.record_class = RecordClass::queue, .search = {{"user", "u1"}}}), "");

  Batch gone = at(journal_);
  gone.removed_summaries.push_back(second);
  ASSERT_TRUE(append(journal_, std::move(gone)).has_value());
  EXPECT_EQ(counts({.search = {{"user", "u2"}}}), "");
  EXPECT_EQ(counts({.search = {{"shop", "s1"}}}), "order completed 1\nrefund running 1\n");
}

TEST_P(JournalContract, ARowIsReplacedButKeepsItsCreation) {
  const StreamId saga = create(journal_, RecordClass::saga, {"a"});
  const auto put = [&](std::int64_t time, std::string state) {
    Batch batch = at(journal_, time);
    batch.summaries.push_back({RecordClass::saga, saga, "order", std::move(state), R"({"n":1})"});
    ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  };
  put(100, "running");
  put(200, "completed");
  EXPECT_EQ(test::summary(journal_, saga),
            (Summary{saga, "order", "completed", R"({"n":1})", UtcMillis(100), UtcMillis(200)}));
  Batch batch = at(journal_);
  batch.removed_summaries.push_back(saga);
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::summary(journal_, saga), std::nullopt);
  EXPECT_THAT(test::count(journal_, {.record_class = RecordClass::saga}), IsEmpty());
}

TEST_P(JournalContract, ASnapshotIsFoundByTheFoldThatMadeIt) {
  const StreamId stream = create(journal_, RecordClass::aggregate, {"a", "b"});
  Batch batch = at(journal_);
  batch.snapshots.push_back({stream, 2, 77, std::string("state\0with zero", 15)});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::snapshot(journal_, stream, 77), (Snapshot{2, 77, std::string("state\0with zero", 15)}));
  EXPECT_EQ(test::snapshot(journal_, stream, 78), std::nullopt);
  EXPECT_EQ(test::snapshot(journal_, nth(99), 77), std::nullopt);
}

TEST_P(JournalContract, ACursorIsSavedWithTheBatchItBelongsTo) {
  create(journal_, RecordClass::topic, {"a", "b"}, "t");
  Batch batch = at(journal_);
  const Cursor saved{"charge", RecordClass::topic, "t", Position(2), "bits"};
  batch.cursors.push_back(saved);
  batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("x")}});
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::cursor(journal_, "charge"), saved);
  batch = at(journal_);
  batch.removed_cursors.emplace_back("charge");
  ASSERT_TRUE(append(journal_, std::move(batch)).has_value());
  EXPECT_EQ(test::cursor(journal_, "charge"), std::nullopt);
}

TEST_P(JournalContract, RefusesWhatIsTooLarge) {
  Batch batch = at(journal_);
  const StreamRef stream = batch.create();
  batch.appends.push_back(
      {RecordClass::saga, stream, {}, {{.type = 1, .body = std::string(kMaxBody + 1, 'x')}}});
  EXPECT_EQ(describe(append(journal_, std::move(batch)).error()),
            "the body of a record has 1048577 bytes, the limit is 1048576");
  batch = at(journal_);
  for (std::size_t i = 0; i <= kMaxBatchItems; ++i) {
    batch.removed_cursors.emplace_back("c");
  }
  EXPECT_EQ(describe(append(journal_, std::move(batch)).error()),
            "a batch has 10001 items, the limit is 10000");
}

TEST_P(JournalContract, AnswersOnTheLoopThatAsks) {
  on_loop([&](net::Loop& loop) -> net::Task<> {
    Batch batch = at(journal_);
    batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("a")}});
    const auto appended = co_await journal_.append(std::move(batch));
    EXPECT_EQ(net::Loop::current(), &loop);
    EXPECT_EQ(appended.value().position, Position(1));
    const auto page = co_await journal_.read(of_stream(RecordClass::saga, nth(1)));
    EXPECT_THAT(texts(page.value()), ElementsAre("a"));
    EXPECT_EQ((co_await journal_.find("s", "k")).value(), std::nullopt);
    EXPECT_TRUE((co_await journal_.list({})).value().empty());
    EXPECT_TRUE((co_await journal_.count(CountQuery{})).value().empty());
  });
}

TEST_P(JournalContract, AnAbandonedWaitDoesNotUndoTheAppend) {
  on_loop([&](net::Loop&) -> net::Task<> {
    {
      net::Scope scope;
      auto forget = [](Journal& journal) -> net::Task<> {
        Batch batch = at(journal);
        batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("a")}});
        co_await journal.append(std::move(batch));
      };
      scope.spawn(forget(journal_));
    }
    Batch batch = at(journal_);
    batch.appends.push_back({RecordClass::saga, batch.create(), {}, {record("b")}});
    EXPECT_EQ((co_await journal_.append(std::move(batch))).value().position, Position(2));
  });
}

TEST_P(JournalContract, WaitingEndsWithTheRecordOrTheDeadline) {
  on_loop([&](net::Loop& loop) -> net::Task<> {
    EXPECT_EQ((co_await journal_.wait(RecordClass::topic, "t", {}, loop.now() + 10ms)).value(), false);
    create(journal_, RecordClass::topic, {"other"}, "u");
    EXPECT_EQ((co_await journal_.wait(RecordClass::topic, "t", Position(1), loop.now() + 10ms)).value(),
              false);
    bool woken = false;
    net::Scope scope;
    auto waiter = [](Journal& journal, bool& flag) -> net::Task<> {
      flag = (co_await journal.wait(RecordClass::topic, "t", Position(1), kNever)).value();
    };
    scope.spawn(waiter(journal_, woken));
    create(journal_, RecordClass::topic, {"mine"}, "t");
    co_await scope.join();
    EXPECT_TRUE(woken);
    EXPECT_EQ((co_await journal_.wait(RecordClass::topic, "t", Position(1), kNever)).value(), true);
  });
}

TEST_P(JournalContract, ASubscriptionGoesOnWhereItsCursorWasSaved) {
  on_loop([&](net::Loop& loop) -> net::Task<> {
    create(journal_, RecordClass::topic, {"a", "b"}, "t");
    auto first = co_await Subscription::open(journal_, "charge", RecordClass::topic, "t", {});
    EXPECT_THAT(texts((co_await first->next(kNever, {.records = 1})).value()), ElementsAre("a"));
    Batch batch = at(journal_);
    batch.cursors.push_back(first->cursor(first->position(), "mine"));
    EXPECT_TRUE((co_await journal_.append(std::move(batch))).has_value());
    EXPECT_THAT(texts((co_await first->next(kNever)).value()), ElementsAre("b"));

    auto second = co_await Subscription::open(journal_, "charge", RecordClass::topic, "t", {});
    EXPECT_EQ(second->state(), "mine");
    EXPECT_THAT(texts((co_await second->next(kNever)).value()), ElementsAre("b"));
    EXPECT_THAT(texts((co_await second->next(loop.now() + 10ms)).value()), IsEmpty());

    const auto other = co_await Subscription::open(journal_, "charge", RecordClass::topic, "u", {});
    EXPECT_EQ(
        other.error().message,
        "the cursor \"charge\" belongs to topic \"t\", not to topic \"u\": give the subscription another "
        "name, or delete the old one");
  });
}

TEST_P(JournalContract, ReadersFarBehindReadEverythingInOrder) {
  const StreamId stream = create(journal_, RecordClass::topic, {"0"}, "t");
  const int total = static_cast<int>(Tail::kMaxRecords) + 500;
  for (int i = 1; i < total; i += 100) {
    Batch batch = at(journal_);
    Append append{RecordClass::topic, stream, {}, {}};
    for (int j = i; j < std::min(i + 100, total); ++j) {
      append.records.push_back(record(std::to_string(j), "t"));
    }
    batch.appends.push_back(std::move(append));
    ASSERT_TRUE(test::append(journal_, std::move(batch)).has_value());
  }
  int expected = 0;
  CategoryQuery query = of_category(RecordClass::topic, "t");
  while (true) {
    const Page page = test::read(journal_, query).value();
    for (const RecordPtr& stored : page.records) {
      ASSERT_EQ(test::text_of(*stored), std::to_string(expected++));
    }
    query.after = page.next;
    if (page.at_end) {
      break;
    }
  }
  EXPECT_EQ(expected, total);
}

TEST_P(JournalContract, PositionsAreThoseOfAllShards) {
  const StreamId stream = create(journal_, RecordClass::topic, {"0", "1"}, "t");
  on_loop([&](net::Loop&) -> net::Task<> {
    const auto ends = co_await positions(journal_);
    EXPECT_TRUE(ends.has_value());
    EXPECT_EQ(ends->shards(), journal_.shards());
    EXPECT_EQ(ends->total(), 2U);
    EXPECT_EQ(ends->at(shard_of(stream, journal_.shards())).number(), 2U);
  });
}

INSTANTIATE_TEST_SUITE_P(All, JournalContract,
                         testing::Values(test::Store{"memory", test::open_memory},
                                         test::Store{"memory_shards", test::open_memory_shards},
                                         test::Store{"sqlite", test::open_sqlite},
                                         test::Store{"sqlite_cold", test::open_sqlite_cold},
                                         test::Store{"postgres", test::open_postgres},
                                         test::Store{"postgres_cold", test::open_postgres_cold}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace flotilla::journal
