// Several writers of one shared store at the same things: claims in opposite order, forgetting in two
// processes.
#include <atomic>
#include <chrono>
#include <future>
#include <iostream>
#include <latch>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/postgres_test_server.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using namespace std::chrono_literals;
using test::record;
using testing::ElementsAre;

constexpr std::int64_t kHour = 3'600'000;

class PostgresRivals : public testing::Test {
 protected:
  void SetUp() override {
    const auto server = test::postgres_url();
    if (!server) {
      GTEST_SKIP() << "no PostgreSQL";
    }
    database_ = std::make_unique<test::Database>(*server);
  }
  std::unique_ptr<PostgresJournal> open() {
    PostgresOptions options = database_->options();
    options.now = [this] { return UtcMillis(now_); };
    return PostgresJournal::open(std::move(options)).value();
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (const auto until = std::chrono::steady_clock::now() + 90s; !condition();) {
      if (std::chrono::steady_clock::now() > until) {
        return false;
      }
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
  // A stream in that shard that claims these keys in this order.
  Batch claiming(const Journal& journal, std::uint32_t shard, const std::vector<std::string>& keys) const {
    Batch batch;
    batch.shard = shard;
    batch.epoch = journal.epoch(shard);
    batch.time = UtcMillis(now_);
    const StreamRef stream = batch.create();
    batch.appends.push_back({RecordClass::saga, stream, {}, {record("a"), record("b")}});
    for (const std::string& key : keys) {
      batch.claims.push_back({"s", key, stream, {}, {}});
    }
    return batch;
  }

  std::atomic<std::int64_t> now_ = 1'000 * kHour;
  std::unique_ptr<test::Database> database_;
};

// A rival's transaction holds b and asks for a, while ours holds a and asks for b: the server ends one of
// them. The rival waits so long before it looks that it is ours, unless this machine sleeps for a second
// meanwhile.
TEST_F(PostgresRivals, AnAppendThatDiesInADeadlockIsTriedAgain) {
  const auto journal = open();
  bool ours_died = false;
  for (int round = 0; round < 5 && !ours_died; ++round) {
    const std::string a = "a" + std::to_string(round);
    const std::string b = "b" + std::to_string(round);
    const auto rival = database_->connect();
    const auto claim = [&](const std::string& key) {
      return rival->query("INSERT INTO flotilla.claims VALUES ('s', '" + key + "', 64, '\\x00', 0)")
          .has_value();
    };
    ASSERT_TRUE(rival->query("SET deadlock_timeout = '4s'").has_value());
    ASSERT_TRUE(rival->query("BEGIN").has_value());
    ASSERT_TRUE(claim(b));
    std::promise<AppendResult> appended;
    journal->append(claiming(*journal, 1, {a, b}),
                    [&](AppendResult result) { appended.set_value(std::move(result)); });
    ASSERT_TRUE(eventually([&] {
      return database_->number(
                 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                 "wait_event_type = 'Lock'") == 1;
    }));
    ours_died = claim(a);
    (void)rival->query("ROLLBACK");
    const AppendResult result = appended.get_future().get();
    ASSERT_TRUE(result.has_value()) << describe(result.error());
    for (const std::string& key : {a, b}) {
      EXPECT_EQ(test::find(*journal, "s", key)->stream, result->created[0]);
    }
    EXPECT_EQ(result->position, Position(2 * (static_cast<std::uint64_t>(round) + 1), 1));
  }
  EXPECT_TRUE(ours_died);
  EXPECT_EQ(journal->metrics().failed.read(), 0U);
}

TEST_F(PostgresRivals, OfTwoThatClaimTheSameKeysInOppositeOrderOneGetsBoth) {
  constexpr int kRounds = 200;
  database_->execute(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''5ms''', current_database()); "
      "END $$");
  const auto journal = open();
  for (int round = 0; round < kRounds; ++round) {
    const std::string a = "a" + std::to_string(round);
    const std::string b = "b" + std::to_string(round);
    std::latch answered(2);
    std::atomic<int> won{0};
    std::atomic<int> refused{0};
    const auto done = [&](const AppendResult& result) {
      won += result.has_value() ? 1 : 0;
      refused += !result && std::holds_alternative<KeyTaken>(result.error()) ? 1 : 0;
      answered.count_down();
    };
    journal->append(claiming(*journal, 1, {a, b}), done);  // two shards, two lanes
    journal->append(claiming(*journal, 2, {b, a}), done);
    answered.wait();
    ASSERT_EQ(won, 1) << round;
    ASSERT_EQ(refused, 1) << round;
    ASSERT_EQ(test::find(*journal, "s", a)->stream, test::find(*journal, "s", b)->stream);
  }
  std::cout << database_->number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            << " deadlocks\n";
}

TEST_F(PostgresRivals, TwoProcessesForgetEachThingOnceAndNothingThatLives) {
  constexpr std::int64_t kEnded = 192;
  constexpr std::int64_t kLiving = 32;
  const auto first = open();
  const auto second = open();
  const auto owner_of = [&](std::uint32_t shard) -> PostgresJournal* {
    return first->ownership().lease(shard)    ? first.get()
           : second->ownership().lease(shard) ? second.get()
                                              : nullptr;
  };
  const auto owns = [](PostgresJournal& journal) {
    int count = 0;
    for (std::uint32_t shard = 0; shard < journal.shards(); ++shard) {
      count += journal.ownership().lease(shard) ? 1 : 0;
    }
    return count;
  };
  ASSERT_TRUE(eventually([&] { return owns(*first) >= 16 && owns(*second) >= 16; }));
  first->set_retention(RecordClass::topic, "t", Millis{kHour});
  second->set_retention(RecordClass::topic, "t", Millis{kHour});

  // Sagas all over the shards, as their owners write them; a shard may change hands meanwhile.
  const auto put = [&](std::int64_t n, const std::string& state, UtcMillis expires) {
    AppendResult result;
    EXPECT_TRUE(eventually([&] {
      const auto shard = static_cast<std::uint32_t>(n % 64);
      PostgresJournal* const owner = owner_of(shard);
      if (owner == nullptr) {
        return false;
      }
      Batch batch = claiming(*owner, shard, {"k" + std::to_string(n) + state});
      batch.claims[0].expires = expires;
      batch.summaries.push_back({RecordClass::saga, batch.claims[0].holder, "order", state,
                                 R"({"search":{"no":")" + std::to_string(n) + R"("}})"});
      batch.appends.push_back({RecordClass::topic, batch.create(), {}, {record("event", "t")}});
      result = test::append(*owner, std::move(batch));
      return result.has_value();
    })) << n;
    return result->created[0];
  };
  for (std::int64_t n = 0; n < kEnded; ++n) {
    put(n, "completed", UtcMillis(now_ + 1));
  }
  std::vector<StreamId> living;
  for (std::int64_t n = 0; n < kLiving; ++n) {
    living.push_back(put(n, "running", UtcMillis(0)));
  }
  const auto rows = [&](std::string_view table) {
    return database_->number(fmt::format("SELECT count(*) FROM flotilla.{}", table));
  };
  ASSERT_EQ(rows("search"), kEnded + kLiving);
  now_ += 10 * kHour;

  // Both see all of it, and forget it at the same time.
  std::atomic<std::int64_t> records{0};
  std::atomic<std::int64_t> claims{0};
  std::atomic<std::int64_t> events{0};
  const auto gone = [](auto start) {
    const auto count = test::answer<Result<std::int64_t>>(std::move(start));
    EXPECT_TRUE(count.has_value()) << count.error().message;
    return count.value_or(0);
  };
  const auto forget = [&](PostgresJournal& journal) {
    std::vector<StreamId> ended;
    const auto rows_there = test::list(journal, {.state = "completed", .limit = kMaxSummaries});
    ASSERT_TRUE(rows_there.has_value()) << rows_there.error().message;
    for (const Summary& row : *rows_there) {
      ended.push_back(row.stream);
    }
    events += gone([&](auto done) { journal.forget_periods(false, std::move(done)); });
    for (std::size_t at = 0; at < ended.size(); at += 8) {
      const auto from = ended.begin() + static_cast<std::ptrdiff_t>(at);
      const std::vector<StreamId> some(
          from, from + static_cast<std::ptrdiff_t>(std::min<std::size_t>(8, ended.size() - at)));
      records += gone([&](auto done) { journal.forget_streams(RecordClass::saga, some, std::move(done)); });
    }
    for (std::int64_t some = 1; some > 0;) {
      some = gone([&](auto done) { journal.forget_claims(7, std::move(done)); });
      claims += some;
    }
  };
  std::thread other([&] { forget(*second); });
  forget(*first);
  other.join();
  EXPECT_EQ(records, 2 * kEnded);
  EXPECT_EQ(claims, kEnded);
  EXPECT_EQ(events, kEnded + kLiving);
  EXPECT_EQ(database_->number("SELECT forgotten FROM flotilla.store"), records + events);

  EXPECT_EQ(rows("saga"), 2 * kLiving);
  EXPECT_EQ(rows("summaries"), kLiving);
  EXPECT_EQ(rows("search"), kLiving);
  EXPECT_EQ(rows("claims"), kLiving);
  EXPECT_EQ(rows("segments"), 0);
  for (const StreamId saga : living) {
    EXPECT_THAT(test::texts(test::read(*first, test::of_stream(RecordClass::saga, saga)).value()),
                ElementsAre("a", "b"));
  }
  // Each shard goes on where it was.
  now_ += 1;
  put(0, "again", UtcMillis(0));
}

// The owner has the newest records in memory; another process takes them out.
TEST_F(PostgresRivals, WhatAnotherProcessTakesOutIsReadFromMemoryNoMore) {
  const auto owner = open();
  test::create(*owner, RecordClass::topic, {"o1", "o2"}, "orders");
  const CategoryQuery all = test::of_category(RecordClass::topic, "orders");
  EXPECT_EQ(test::texts(test::read(*owner, all).value()).size(), 2U);
  const auto other = open();
  const auto gone = test::answer<Result<std::int64_t>>(
      [&](auto done) { topic_upkeep(*other)->forget_topic("orders", owner->position(), std::move(done)); });
  EXPECT_EQ(gone.value(), 2);
  EXPECT_TRUE(eventually([&] { return test::read(*owner, all).value().records.empty(); }));
}

}  // namespace
}  // namespace flotilla::journal
