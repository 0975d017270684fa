// The embedded journal on a disk that fills up, fails and loses power: nothing acknowledged is ever lost.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/fault_vfs.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using namespace std::chrono_literals;
using test::append;
using test::at;
using test::FaultVfs;
using test::of_category;
using test::record;

class SqliteFaults : public testing::Test {
 protected:
  SqliteFaults() {
    log::set_sink([](log::Level, std::string_view) {});  // these tests fail on purpose
    disk_.reset();
  }

  [[nodiscard]] SqliteOptions options() const {
    return {.path = directory_.file("journal.db"),
            .vocabulary = test::vocabulary(),
            .readers = 1,
            // Small, so that checkpoints of both kinds are among what fails.
            .wal_step = 32 << 10,
            .wal_bound = 96 << 10,
            .probe_every = 5ms,
            .vfs = FaultVfs::kName};
  }
  std::unique_ptr<SqliteJournal> open() { return SqliteJournal::open(options()).value(); }

  std::unique_ptr<SqliteJournal> open_again(std::unique_ptr<SqliteJournal> journal) {
    journal.reset();
    return open();
  }
  // The machine comes back: what shared memory held is gone.
  void restore(Random& random) {
    disk_.restore(random);
    std::filesystem::remove(directory_.file("journal.db-shm"));
  }

  // Two records in a new stream, which must both be there or none.
  static AppendResult publish(Journal& journal, const std::string& name) {
    Batch batch = at(journal);
    batch.appends.push_back(
        {RecordClass::topic, batch.create(), {}, {record(name + "/1", "t"), record(name + "/2", "t")}});
    return append(journal, std::move(batch));
  }
  static std::set<std::string> everything(Journal& journal) {
    std::set<std::string> found;
    CategoryQuery query = of_category(RecordClass::topic, "t");
    while (true) {
      const auto page = test::read(journal, query);
      EXPECT_TRUE(page.has_value()) << page.error().message;
      for (const RecordPtr& stored : page->records) {
        EXPECT_TRUE(found.insert(test::text_of(*stored)).second);
      }
      query.after = page->next;
      if (page->at_end) {
        return found;
      }
    }
  }
  static void expect_whole(const std::set<std::string>& found) {
    for (const std::string& name : found) {
      std::string other = name;
      other.back() = name.back() == '1' ? '2' : '1';
      EXPECT_TRUE(found.contains(other)) << name << " is there without " << other;
    }
  }

  test::Directory directory_;
  FaultVfs& disk_ = FaultVfs::get();
};

TEST_F(SqliteFaults, AnAppendIsSyncedBeforeItIsAnswered) {
  auto journal = open();
  const std::uint64_t before = disk_.syncs();
  ASSERT_TRUE(publish(*journal, "a").has_value());
  EXPECT_GE(disk_.syncs(), before + 1);
}

TEST_F(SqliteFaults, AFullDiskStopsAcknowledgingUntilThereIsRoom) {
  auto journal = open();
  ASSERT_TRUE(publish(*journal, "before").has_value());
  for (std::uint64_t writes = 0; writes < 6; ++writes) {
    disk_.fill_disk_after(writes);
    const auto refused = publish(*journal, "lost");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(std::get<StoreUnavailable>(refused.error()).effect, Effect::none);
    EXPECT_EQ(reason_of(refused.error()), Reason::store_unavailable);
    EXPECT_EQ(journal->health().state, Health::State::failing);
    EXPECT_THAT(journal->health().reason, testing::HasSubstr("full"));
    EXPECT_EQ(journal->position(), Position(2 + 2 * writes));
    disk_.fill_disk_after({});
    ASSERT_TRUE(publish(*journal, "after" + std::to_string(writes)).has_value());
    EXPECT_EQ(journal->health().state, Health::State::healthy);
  }
  journal = open_again(std::move(journal));
  const auto found = everything(*journal);
  EXPECT_EQ(found.size(), 14U);
  EXPECT_FALSE(found.contains("lost/1"));
}

TEST_F(SqliteFaults, AnIdleStoreFindsOutByItselfThatThereIsRoomAgain) {
  auto journal = open();
  disk_.fill_disk_after(0);
  ASSERT_FALSE(publish(*journal, "lost").has_value());
  disk_.fill_disk_after({});
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (journal->health().state != Health::State::healthy && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(journal->health().state, Health::State::healthy);
}

TEST_F(SqliteFaults, AFailedSyncIsFinalUntilTheStoreIsOpenedAnew) {
  auto journal = open();
  ASSERT_TRUE(publish(*journal, "before").has_value());
  disk_.fail_sync_after(0);
  const auto unknown = publish(*journal, "unknown");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(std::get<StoreUnavailable>(unknown.error()).effect, Effect::unknown);
  EXPECT_EQ(journal->health().state, Health::State::failed);
  const auto refused = publish(*journal, "refused");  // though syncs would succeed again
  EXPECT_EQ(std::get<StoreUnavailable>(refused.error()).effect, Effect::none);
  EXPECT_EQ(everything(*journal).size(), 2U);  // reading goes on
  EXPECT_EQ(journal->metrics().unavailable.read(), 1U);

  journal = open_again(std::move(journal));
  EXPECT_EQ(journal->health().state, Health::State::healthy);
  const auto found = everything(*journal);
  EXPECT_TRUE(found.contains("before/1"));
  EXPECT_FALSE(found.contains("refused/1"));
  expect_whole(found);
  EXPECT_TRUE(publish(*journal, "after").has_value());
}

TEST_F(SqliteFaults, AfterAFailedSyncClosingLeavesTheLogToTheNextOpening) {
  auto journal = open();
  ASSERT_TRUE(publish(*journal, "a").has_value());
  disk_.fail_sync_after(0);
  ASSERT_FALSE(publish(*journal, "unknown").has_value());
  journal.reset();
  EXPECT_GT(std::filesystem::file_size(directory_.file("journal.db-wal")), 0U);
  journal = open();
  EXPECT_TRUE(everything(*journal).contains("a/1"));
  journal.reset();
  EXPECT_FALSE(std::filesystem::exists(directory_.file("journal.db-wal")));  // as after every good end
}

// What a failed sync has left in the page cache but not on disk must not be built upon. The process dies
// before it can close its files, so that the log stays.
TEST_F(SqliteFaults, AfterAFailedSyncAPowerCutStillLosesNothingAcknowledged) {
  Random random(1);
  auto journal = open();
  ASSERT_TRUE(publish(*journal, "a").has_value());
  disk_.fail_sync_after(0);
  ASSERT_FALSE(publish(*journal, "unknown").has_value());
  disk_.cut_power_after(0);
  journal.reset();
  disk_.cut_power_after({});
  journal = open();
  ASSERT_TRUE(publish(*journal, "b").has_value());
  const bool kept = everything(*journal).contains("unknown/1");
  disk_.cut_power_after(0);
  journal.reset();
  restore(random);
  journal = open();
  const auto found = everything(*journal);
  EXPECT_TRUE(found.contains("a/1"));
  EXPECT_TRUE(found.contains("b/1"));
  EXPECT_EQ(found.contains("unknown/1"), kept);  // what has been read once stays
  expect_whole(found);
}

// Commits and both kinds of checkpoints sync: each sync in turn is the one that fails, and the power goes
// after it.
TEST_F(SqliteFaults, WhicheverSyncFailsNothingAcknowledgedIsLost) {
  Random random(1);
  std::set<std::string> kept;
  int failures_of_commits = 0;
  constexpr int kSyncs = 30;
  for (int sync = 0; sync < kSyncs; ++sync) {
    SCOPED_TRACE(testing::Message() << "sync " << sync);
    auto journal = open();
    disk_.fail_sync_after(static_cast<std::uint64_t>(sync));
    AppendResult result;
    for (int i = 0; i < 200; ++i) {
      const std::string name = std::to_string(sync) + "." + std::to_string(i);
      result = publish(*journal, name);
      if (!result) {
        break;
      }
      kept.insert({name + "/1", name + "/2"});
    }
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(journal->health().state, Health::State::failed);
    failures_of_commits += std::get<StoreUnavailable>(result.error()).effect == Effect::unknown ? 1 : 0;
    disk_.cut_power_after(0);
    journal.reset();
    restore(random);
    journal = open();
    const auto found = everything(*journal);
    EXPECT_TRUE(std::ranges::includes(found, kept));
    expect_whole(found);
    kept = found;
  }
  EXPECT_GT(failures_of_commits, 0);
  EXPECT_LT(failures_of_commits, kSyncs);  // the others were checkpoints'
}

TEST_F(SqliteFaults, WhereverTheDiskFillsUpWhatIsAcknowledgedStaysAndWorkGoesOn) {
  auto journal = open();
  std::set<std::string> kept;
  std::set<std::string> refused;
  for (std::uint64_t writes = 0; writes < 60; ++writes) {
    disk_.fill_disk_after(writes);
    AppendResult result;
    for (int i = 0; i < 60; ++i) {
      const std::string name = std::to_string(writes) + "." + std::to_string(i);
      result = publish(*journal, name);
      (result ? kept : refused).insert({name + "/1", name + "/2"});
      if (!result) {
        break;
      }
    }
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(std::get<StoreUnavailable>(result.error()).effect, Effect::none);
    disk_.fill_disk_after({});
    const std::string name = std::to_string(writes) + ".after";
    ASSERT_TRUE(publish(*journal, name).has_value());
    kept.insert({name + "/1", name + "/2"});
  }
  EXPECT_EQ(everything(*journal), kept);
  journal = open_again(std::move(journal));
  EXPECT_EQ(everything(*journal), kept);
  EXPECT_EQ(refused.size(), 120U);
}

TEST_F(SqliteFaults, PowerCutsLoseNothingAcknowledged) {
  constexpr std::uint64_t kSeeds = 60;
  std::cout << "seeds 1.." << kSeeds << "\n";
  std::size_t acknowledged = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    std::set<std::string> kept;
    for (int life = 0; life < 3; ++life) {
      {
        auto journal = open();
        disk_.cut_power_after(1 + random.below(400));
        std::mutex mutex;
        const auto client = [&](int number) {
          for (int i = 0;; ++i) {
            const std::string name =
                std::to_string(life) + "." + std::to_string(number) + "." + std::to_string(i);
            if (!publish(*journal, name).has_value()) {
              return;
            }
            const std::lock_guard lock(mutex);
            kept.insert({name + "/1", name + "/2"});
          }
        };
        std::thread other(client, 1);
        client(0);
        other.join();
      }
      restore(random);
      auto journal = open();
      const auto found = everything(*journal);
      for (const std::string& name : kept) {
        ASSERT_TRUE(found.contains(name)) << name << " was acknowledged";
      }
      expect_whole(found);
      kept = found;  // what is found once stays
    }
    acknowledged += kept.size();
    std::filesystem::remove(directory_.file("journal.db"));
    std::filesystem::remove(directory_.file("journal.db-wal"));
    disk_.reset();
  }
  EXPECT_GT(acknowledged, kSeeds * 20);  // the cuts fell into work, not before it
}

}  // namespace
}  // namespace flotilla::journal
