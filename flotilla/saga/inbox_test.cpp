// The inbox, over SQLite files: deliveries once, again, at the same time, and killed before their commit.
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/journal/sqlite.hpp"
#include "flotilla/saga/sqlite_inbox.hpp"

namespace flotilla::saga {
namespace {

using journal::sqlite::Connection;

constexpr WallTime kNow{1'000'000'000'000'000'000};

class Consumer {
 public:
  explicit Consumer(const std::string& path)
      : connection_(*Connection::open(path, Connection::Mode::create, "")),
        inbox_(*SqliteInbox::open(patient(*connection_))) {
    connection_->execute("CREATE TABLE IF NOT EXISTS effects (n INTEGER NOT NULL)");
  }

  Result<SqliteInbox::Receipt> deliver(const InboxKey& key, bool dies = false, WallTime now = kNow) {
    return inbox_.run(key, now, [&]() -> Result<std::string> {
      connection_->execute("INSERT INTO effects VALUES (1)");
      if (dies) {
        return fail(Errc::unavailable, "killed");
      }
      return "answer " + std::to_string(effects());
    });
  }
  [[nodiscard]] std::int64_t effects() { return connection_->integer("SELECT count(*) FROM effects"); }
  [[nodiscard]] SqliteInbox& inbox() { return inbox_; }

 private:
  // Waits for a file that another one writes, from the first statement on.
  static sqlite3* patient(Connection& connection) {
    connection.execute("PRAGMA busy_timeout = 60000");
    return connection.handle();
  }

  std::unique_ptr<Connection> connection_;
  SqliteInbox inbox_;
};

const InboxKey kEvent{.subscription = "mail", .source = "/orders", .id = "e-1"};

TEST(Inbox, TakesEffectOnceAndAnswersTheSame) {
  Consumer consumer(":memory:");
  const auto first = consumer.deliver(kEvent);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->first);
  EXPECT_EQ(first->answer, "answer 1");
  const auto again = consumer.deliver(kEvent);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->first);
  EXPECT_EQ(again->answer, "answer 1");
  EXPECT_EQ(consumer.effects(), 1);
}

TEST(Inbox, KnowsEventsBySubscriptionSourceAndId) {
  Consumer consumer(":memory:");
  ASSERT_TRUE(consumer.deliver(kEvent));
  for (const InboxKey& other : {InboxKey{"bills", "/orders", "e-1"}, InboxKey{"mail", "/stock", "e-1"},
                                InboxKey{"mail", "/orders", "e-2"}}) {
    EXPECT_TRUE(consumer.deliver(other)->first);
  }
  EXPECT_EQ(consumer.effects(), 4);
  for (const InboxKey& unnamed :
       {InboxKey{"", "/orders", "e-1"}, InboxKey{"mail", "", "e-1"}, InboxKey{"mail", "/orders", ""}}) {
    EXPECT_EQ(consumer.deliver(unnamed).error().code, Errc::invalid);
  }
  EXPECT_EQ(consumer.effects(), 4);
}

TEST(Inbox, LeavesNothingOfWhatWasKilled) {
  Consumer consumer(":memory:");
  EXPECT_EQ(consumer.deliver(kEvent, true).error().message, "killed");
  EXPECT_EQ(consumer.effects(), 0);
  EXPECT_TRUE(consumer.deliver(kEvent)->first);
  EXPECT_EQ(consumer.effects(), 1);
}

TEST(Inbox, TakesEffectOnceWhereDeliveriesComeAtTheSameTime) {
  const auto path =
      std::filesystem::path(testing::TempDir()) / ("inbox_" + std::to_string(::getpid()) + ".db");
  std::filesystem::remove(path);
  Consumer first(path.string());
  for (int round = 1; round <= 20; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, round] {
        Consumer consumer(path.string());
        const auto got = consumer.deliver({"mail", "/orders", "e-" + std::to_string(round)});
        EXPECT_TRUE(got) << got.error().message;
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(first.effects(), round);
  }
  std::filesystem::remove(path);
}

TEST(Inbox, ForgetsWhatIsOld) {
  Consumer consumer(":memory:");
  constexpr std::int64_t kDay = std::int64_t{86'400} * 1'000'000'000;
  const WallTime week_later{kNow.ns_since_epoch + 7 * kDay};
  ASSERT_TRUE(consumer.deliver(kEvent));
  ASSERT_TRUE(consumer.deliver({"mail", "/orders", "e-2"}, false, week_later));
  EXPECT_EQ(consumer.inbox().forget(kNow), 0);
  EXPECT_EQ(consumer.inbox().forget(week_later), 1);
  EXPECT_FALSE(consumer.deliver({"mail", "/orders", "e-2"})->first);
  EXPECT_TRUE(consumer.deliver(kEvent)->first);
}

}  // namespace
}  // namespace flotilla::saga
