// What every journal must do, whatever keeps it: appending, reading, waiting. Run against the memory journal
// and against each store. What it keeps beside records: journal_contract_rows_test.cpp.
#include "flotilla/journal/journal_contract.hpp"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "flotilla/journal/moment.hpp"
#include "flotilla/journal/subscription.hpp"

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
