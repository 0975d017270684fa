// What every journal must keep beside its records: keys and their holders, rows of lists, snapshots, cursors.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "flotilla/journal/journal_contract.hpp"

namespace flotilla::journal {
namespace {

using test::append;
using test::at;
using test::create;
using test::record;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace
}  // namespace flotilla::journal
