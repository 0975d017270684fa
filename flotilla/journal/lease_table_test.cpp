#include "flotilla/journal/lease_table.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/journal/test_support.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal {
namespace {

TEST(LeaseTable, ALeaseHoldsUntilItsEnd) {
  LeaseTable table(4);
  EXPECT_EQ(table.lease(2), std::nullopt);
  const Instant now = net::monotonic_now();
  table.gain({.shard = 2, .epoch = 7, .until = now + std::chrono::hours(1)});
  EXPECT_EQ(table.lease(2), (Lease{2, 7, now + std::chrono::hours(1)}));
  EXPECT_EQ(table.lease(1), std::nullopt);
  EXPECT_EQ(table.lease(99), std::nullopt);
  table.renew(2, now);
  EXPECT_EQ(table.lease(2), std::nullopt);
  EXPECT_TRUE(table.is_held(2));  // nobody was told that it is lost
}

TEST(LeaseTable, TheWatcherLearnsWhatIsHeldAndEveryChangeSince) {
  LeaseTable table(4);
  table.gain({.shard = 1, .epoch = 3, .until = kNever});
  std::string seen;
  std::shared_ptr<void> held;
  table.watch([&](const LeaseChange& change) {
    seen += std::string(change.gained ? "+" : "-") + std::to_string(change.shard) + "@" +
            std::to_string(change.epoch) + " ";
    held = change.hold;
  });
  table.gain({.shard = 0, .epoch = 9, .until = kNever});
  const std::weak_ptr<void> work = table.lose(1);
  EXPECT_EQ(seen, "+1@3 +0@9 -1@3 ");
  EXPECT_EQ(table.lease(1), std::nullopt);
  EXPECT_EQ(table.epoch(1), 3U);
  EXPECT_FALSE(work.expired());  // its work has not stopped
  held.reset();
  EXPECT_TRUE(work.expired());
  EXPECT_TRUE(table.lose(1).expired());  // nothing more to lose
  EXPECT_EQ(seen, "+1@3 +0@9 -1@3 ");
}

TEST(LeaseTable, KnowsWhereTheOwnersAre) {
  LeaseTable table(2);
  EXPECT_EQ(table.owner_address(0).error().code, Errc::unavailable);
  table.set_owners({"", "http://10.0.0.2:9901"});
  EXPECT_FALSE(table.owner_address(0).has_value());
  EXPECT_EQ(table.owner_address(1).value(), "http://10.0.0.2:9901");
  EXPECT_FALSE(table.owner_address(2).has_value());
}

TEST(MemoryJournal, ShardsHaveOrdersAndEpochsOfTheirOwnAndShareTheKeys) {
  MemoryJournal journal(test::vocabulary(), 4);
  const auto start = [&](std::uint32_t shard, std::string key) {
    Batch batch = test::at(journal);
    batch.shard = shard;
    batch.epoch = 1;
    const StreamRef saga = batch.create();
    batch.appends.push_back({RecordClass::saga, saga, {}, {test::record("a", "c")}});
    batch.claims.push_back({"s", std::move(key), saga, {}, {}});
    batch.summaries.push_back({RecordClass::saga, saga, "order", "running"});
    return test::append(journal, std::move(batch));
  };
  EXPECT_EQ(start(2, "1").value().created[0], StreamId(6));
  EXPECT_EQ(start(2, "2").value().created[0], StreamId(10));
  const Appended other = start(3, "3").value();
  EXPECT_EQ(other.created[0], StreamId(7));
  EXPECT_EQ(other.position, Position(1, 3));
  EXPECT_EQ(shard_of(StreamId(10), 4), 2U);
  EXPECT_EQ(journal.position(2), Position(2, 2));
  EXPECT_EQ(std::get<KeyTaken>(start(0, "1").error()).holder.stream, StreamId(6));

  CategoryQuery query = test::of_category(RecordClass::saga, "c");
  query.after = Position(0, 2);
  EXPECT_EQ(test::read(journal, query).value().records.size(), 2U);
  EXPECT_EQ(test::read(journal, query).value().next, Position(2, 2));
  query.after = Position(0, 4);
  EXPECT_EQ(test::read(journal, query).error().message,
            "there is no shard 4 in this journal, its shards are 0..3");
  EXPECT_EQ(test::list(journal, {.shard = 2}).value().size(), 2U);
  EXPECT_EQ(test::list(journal, {}).value().size(), 3U);

  journal.lose(2);
  EXPECT_EQ(journal.ownership().lease(2), std::nullopt);
  EXPECT_EQ(std::get<StaleEpoch>(start(2, "4").error()).current, 2U);
  EXPECT_TRUE(start(3, "4").has_value());
  journal.begin_epoch(2);
  EXPECT_EQ(journal.epoch(2), 3U);
  EXPECT_EQ(journal.ownership().lease(2)->epoch, 3U);
}

}  // namespace
}  // namespace flotilla::journal
