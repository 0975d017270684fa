// What only a shared store has: owners that change, connections that are lost, a server that restarts.
#include <chrono>
#include <iostream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/journal/postgres_test_server.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using namespace std::chrono_literals;
using test::of_category;
using testing::HasSubstr;

// Waits for what another thread or the server does; the bound is for what never comes.
template <class Condition>
bool eventually(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + 90s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) {
      return false;
    }
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

class PostgresJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto server = test::postgres_url();
    if (!server) {
      GTEST_SKIP() << "no PostgreSQL";
    }
    database_ = std::make_unique<test::Database>(*server);
  }

  static Batch in_shard(const Journal& journal, std::uint32_t shard, std::string text, std::string key = {}) {
    Batch batch;
    batch.shard = shard;
    batch.epoch = journal.epoch(shard);
    batch.time = UtcMillis(1000);
    const StreamRef stream = batch.create();
    batch.appends.push_back({RecordClass::topic, stream, {}, {test::record(text, "t")}});
    if (!key.empty()) {
      batch.claims.push_back({"s", std::move(key), stream, {}, {}});
    }
    return batch;
  }
  static std::vector<std::uint32_t> owned(Journal& journal) {
    std::vector<std::uint32_t> shards;
    for (std::uint32_t shard = 0; shard < journal.shards(); ++shard) {
      if (journal.ownership().lease(shard)) {
        shards.push_back(shard);
      }
    }
    return shards;
  }
  // All records of category "t" in a shard.
  static std::vector<std::string> texts_in(Journal& journal, std::uint32_t shard) {
    CategoryQuery query = of_category(RecordClass::topic, "t");
    query.after = Position(0, shard);
    query.limits.records = kMaxPageRecords;
    return test::texts(test::read(journal, query).value());
  }

  std::unique_ptr<test::Database> database_;
};

TEST_F(PostgresJournalTest, OneProcessOwnsEveryShardAndShardsHaveOrdersOfTheirOwn) {
  const auto journal = database_->open();
  EXPECT_EQ(owned(*journal).size(), 64U);
  const auto first = test::append(*journal, in_shard(*journal, 5, "a")).value();
  EXPECT_EQ(first.created.at(0), StreamId(64 + 5));
  EXPECT_EQ(first.position, Position(1, 5));
  EXPECT_EQ(test::append(*journal, in_shard(*journal, 63, "b")).value().position, Position(1, 63));
  EXPECT_EQ(test::append(*journal, in_shard(*journal, 5, "c")).value().created.at(0), StreamId(128 + 5));
  EXPECT_EQ(texts_in(*journal, 5), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(journal->position(5), Position(2, 5));
  EXPECT_EQ(journal->position(6), Position(0, 6));
}

TEST_F(PostgresJournalTest, TheLoserOfAShardChangesNothing) {
  const auto journal = database_->open();
  ASSERT_TRUE(test::append(*journal, in_shard(*journal, 3, "mine")).has_value());
  database_->execute("UPDATE flotilla.shards SET epoch = epoch + 1 WHERE shard = 3");  // as taking it does
  Batch batch = in_shard(*journal, 3, "late", "key");
  batch.cursors.push_back({"cursor", RecordClass::topic, "t", Position(1, 3), ""});
  const auto late = test::append(*journal, std::move(batch));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(std::get<StaleEpoch>(late.error()).current, journal->epoch(3) + 1);
  EXPECT_EQ(texts_in(*journal, 3), std::vector<std::string>{"mine"});
  EXPECT_EQ(test::find(*journal, "s", "key"), std::nullopt);
  EXPECT_EQ(test::cursor(*journal, "cursor"), std::nullopt);
  EXPECT_TRUE(test::append(*journal, in_shard(*journal, 4, "another shard")).has_value());
  // The next round of leases notices, and takes the shard anew.
  EXPECT_TRUE(eventually([&] { return test::append(*journal, in_shard(*journal, 3, "again")).has_value(); }));
  EXPECT_EQ(texts_in(*journal, 3), (std::vector<std::string>{"mine", "again"}));
}

TEST_F(PostgresJournalTest, TwoProcessesShareShardsAndKeys) {
  PostgresOptions options = database_->options();
  options.address = "http://first:9901";
  auto first = PostgresJournal::open(options).value();
  options.address = "http://second:9901";
  const auto second = PostgresJournal::open(options).value();
  ASSERT_TRUE(eventually([&] { return owned(*second).size() >= 8; }));
  const std::uint32_t theirs = owned(*second).at(0);
  ASSERT_TRUE(eventually([&] {
    const auto address = first->ownership().owner_address(theirs);
    return address && *address == "http://second:9901";
  }));
  ASSERT_TRUE(test::append(*second, in_shard(*second, theirs, "theirs", "key")).has_value());
  const std::uint32_t mine = owned(*first).at(0);
  ASSERT_NE(mine, theirs);
  const auto taken = test::append(*first, in_shard(*first, mine, "mine", "key"));
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(shard_of(std::get<KeyTaken>(taken.error()).holder.stream, 64), theirs);
  EXPECT_EQ(texts_in(*first, mine), std::vector<std::string>{});

  // What they write is seen here, and what was theirs cannot be written here.
  ASSERT_TRUE(eventually([&] { return first->position(theirs) == Position(1, theirs); }));
  EXPECT_EQ(texts_in(*first, theirs), std::vector<std::string>{"theirs"});
  EXPECT_TRUE(
      std::holds_alternative<StaleEpoch>(test::append(*first, in_shard(*first, theirs, "not mine")).error()));

  first.reset();  // gives back at once
  ASSERT_TRUE(eventually([&] { return owned(*second).size() == 64; }));
  EXPECT_TRUE(test::append(*second, in_shard(*second, mine, "taken over", "other")).has_value());
}

TEST_F(PostgresJournalTest, GivingBackWaitsForTheWorkOfAShardToStop) {
  const auto journal = database_->open();
  std::shared_ptr<void> working;
  std::atomic<int> lost{0};
  journal->ownership().watch([&](const LeaseChange& change) {
    if (!change.gained) {
      if (change.shard == 7) {
        working = change.hold;
      }
      ++lost;
    }
  });
  std::thread stopping([&] { journal->ownership().release_all(60s); });
  const auto owners = [&] {
    return database_->number("SELECT count(*) FROM flotilla.leases WHERE owner <> ''");
  };
  EXPECT_TRUE(eventually([&] { return owners() == 1; }));
  EXPECT_EQ(lost, 64);
  EXPECT_EQ(owned(*journal).size(), 0U);
  EXPECT_EQ(database_->number("SELECT shard FROM flotilla.leases WHERE owner <> ''"), 7);
  journal->ownership().watch({});
  working.reset();
  stopping.join();
  EXPECT_EQ(owners(), 0);
  EXPECT_EQ(database_->number("SELECT count(*) FROM flotilla.processes"), 0);
}

TEST_F(PostgresJournalTest, AnAppendThatIsCutInTheMiddleHappensOnce) {
  const auto journal = database_->open();
  ASSERT_TRUE(test::append(*journal, in_shard(*journal, 0, "before")).has_value());
  const auto locker = database_->connect();
  ASSERT_TRUE(locker->query("BEGIN") &&
              locker->query("SELECT * FROM flotilla.shards WHERE shard = 0 FOR UPDATE"));
  std::promise<AppendResult> promise;
  journal->append(in_shard(*journal, 0, "cut"),
                  [&](AppendResult result) { promise.set_value(std::move(result)); });
  const std::string waiting =
      "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  ASSERT_TRUE(eventually([&] { return database_->number("SELECT count(*) " + waiting) == 1; }));
  database_->execute("SELECT pg_terminate_backend(pid) " + waiting);
  ASSERT_TRUE(locker->query("COMMIT"));
  const auto result = promise.get_future().get();
  ASSERT_TRUE(result.has_value()) << describe(result.error());
  EXPECT_EQ(result->position, Position(2, 0));
  EXPECT_EQ(texts_in(*journal, 0), (std::vector<std::string>{"before", "cut"}));
}

// Every answer is the truth: what succeeded is there once, where it said; what failed without effect is not
// there.
TEST_F(PostgresJournalTest, AnswersAreTrueWhileConnectionsAreCutAtRandom) {
  const std::uint64_t seed = 20261124;
  std::cout << "seed " << seed << "\n";
  Random random(seed);
  const auto journal = database_->open();
  constexpr int kAppends = 600;
  std::map<std::string, AppendResult> answers;
  std::mutex mutex;
  std::condition_variable answered;
  for (int i = 0; i < kAppends; ++i) {
    const auto shard = static_cast<std::uint32_t>(random.below(3));
    std::string text = std::to_string(i);
    journal->append(in_shard(*journal, shard, text, "key" + text), [&, text](AppendResult result) {
      const std::lock_guard lock(mutex);
      answers.emplace(text, std::move(result));
      answered.notify_one();
    });
    if (random.below(20) == 0) {
      database_->cut_all();
    }
    if (random.below(4) == 0) {
      std::unique_lock lock(mutex);
      answered.wait_for(lock, 5ms);
    }
  }
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(answered.wait_for(lock, 90s, [&] { return answers.size() == kAppends; }));
  }
  std::map<std::string, Position> stored;
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    CategoryQuery query = of_category(RecordClass::topic, "t");
    query.after = Position(0, shard);
    query.limits.records = kMaxPageRecords;
    std::uint64_t n = 0;
    for (const RecordPtr& record : test::read(*journal, query).value().records) {
      EXPECT_EQ(record->position, Position(++n, shard));
      EXPECT_TRUE(stored.emplace(test::text_of(*record), record->position).second);
    }
  }
  int succeeded = 0;
  for (const auto& [text, answer] : answers) {
    if (answer) {
      ++succeeded;
      ASSERT_TRUE(stored.contains(text)) << text;
      EXPECT_EQ(stored[text], answer->position);
    } else {
      const auto& error = std::get<StoreUnavailable>(answer.error());
      EXPECT_TRUE(error.effect == Effect::unknown || !stored.contains(text)) << text;
    }
  }
  EXPECT_GT(succeeded, kAppends / 2);
  EXPECT_TRUE(eventually([&] { return journal->health().state == Health::State::healthy; }));
}

TEST_F(PostgresJournalTest, ARestartOfTheServerIsSurvived) {
  test::PostgresServer server;
  test::Database database(server.url().value());
  const auto journal = database.open();
  ASSERT_TRUE(test::append(*journal, in_shard(*journal, 0, "before")).has_value());
  server.restart();
  ASSERT_TRUE(eventually([&] { return test::append(*journal, in_shard(*journal, 0, "after")).has_value(); }));
  EXPECT_EQ(texts_in(*journal, 0), (std::vector<std::string>{"before", "after"}));
  EXPECT_TRUE(eventually([&] { return journal->health().state == Health::State::healthy; }));
  EXPECT_TRUE(eventually([&] { return owned(*journal).size() == 64; }));
}

TEST_F(PostgresJournalTest, WhatCannotBeLookedUpIsAnsweredAsUnknown) {
  auto server = std::make_unique<test::PostgresServer>();
  test::Database database(server->url().value());
  const auto journal = database.open();
  ASSERT_TRUE(test::append(*journal, in_shard(*journal, 0, "before")).has_value());
  const auto locker = database.connect();
  ASSERT_TRUE(locker->query("BEGIN") &&
              locker->query("SELECT * FROM flotilla.shards WHERE shard = 0 FOR UPDATE"));
  std::promise<AppendResult> promise;
  journal->append(in_shard(*journal, 0, "x"),
                  [&](AppendResult result) { promise.set_value(std::move(result)); });
  ASSERT_TRUE(eventually([&] {
    return database.number(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
               "wait_event_type = 'Lock'") == 1;
  }));
  server.reset();
  const auto result = promise.get_future().get();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(std::get<StoreUnavailable>(result.error()).effect, Effect::unknown);
  EXPECT_THAT(describe(result.error()), HasSubstr("whether this append was kept shows after a restart"));
}

TEST_F(PostgresJournalTest, WhileTheServerIsAwayAppendsAreRefusedAndHealthSaysSo) {
  auto server = std::make_unique<test::PostgresServer>();
  auto database = std::make_unique<test::Database>(server->url().value());
  const auto journal = database->open();
  EXPECT_EQ(journal->health().state, Health::State::healthy);
  database.reset();  // the database is dropped under the journal
  const auto refused = test::append(*journal, in_shard(*journal, 0, "x"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(std::get<StoreUnavailable>(refused.error()).effect, Effect::none);
  EXPECT_EQ(journal->health().state, Health::State::failing);
  EXPECT_EQ(test::read(*journal, test::of_stream(RecordClass::topic, StreamId(64))).error().code,
            Errc::unavailable);
  server.reset();
}

}  // namespace
}  // namespace flotilla::journal
