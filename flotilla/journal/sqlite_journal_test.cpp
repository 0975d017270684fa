// What the embedded journal does beyond the contract: grouping, bounds, its log, readers of the past.
#include "flotilla/journal/sqlite_journal.hpp"

#include <filesystem>
#include <latch>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/backup.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using test::at;
using test::record;

class Embedded : public testing::Test {
 protected:
  SqliteOptions options() { return {.path = path_, .vocabulary = test::vocabulary(), .readers = 1}; }
  static Batch one(const Journal& journal, std::size_t size = 10) {
    Batch batch = at(journal);
    batch.appends.push_back({RecordClass::topic, batch.create(), {}, {record(std::string(size, 'x'), "t")}});
    return batch;
  }
  test::Directory directory_;
  const std::string path_ = directory_.file("sub/journal.db");
};

TEST_F(Embedded, WhatWaitsIsCommittedTogetherAndAnsweredInOrder) {
  auto journal = SqliteJournal::open(options()).value();
  constexpr int kBatches = 100;
  std::latch busy(1);
  std::latch answered(kBatches + 1);
  // The writer answers this one, and meanwhile the others gather.
  journal->append(one(*journal), [&](const AppendResult&) {
    busy.wait();
    answered.count_down();
  });
  while (journal->metrics().commits.read() == 0) {
    std::this_thread::yield();
  }
  std::vector<std::uint64_t> positions;
  for (int i = 0; i < kBatches; ++i) {
    journal->append(one(*journal), [&](const AppendResult& result) {
      positions.push_back(result.value().position.number());
      answered.count_down();
    });
  }
  EXPECT_EQ(journal->metrics().queue_batches.read(), static_cast<std::uint64_t>(kBatches));
  busy.count_down();
  answered.wait();
  EXPECT_EQ(journal->metrics().commits.read(), 2U);
  EXPECT_EQ(journal->metrics().batches.read(), 101U);
  EXPECT_EQ(journal->metrics().records.read(), 101U);
  EXPECT_EQ(journal->metrics().commit_time.count(), 2U);
  EXPECT_EQ(journal->metrics().commit_batches[6].read(), 1U);  // 64..127
  EXPECT_EQ(journal->metrics().queue_bytes.read(), 0U);
  EXPECT_TRUE(std::ranges::is_sorted(positions));
}

TEST_F(Embedded, AtTheBoundsOfItsQueueItRefuses) {
  auto options_of = options();
  options_of.queue_batches = 3;
  options_of.queue_bytes = 10'000;
  auto journal = SqliteJournal::open(options_of).value();
  std::latch busy(1);
  std::atomic<int> done{0};
  const auto count = [&](const AppendResult& result) {
    EXPECT_TRUE(result.has_value());
    ++done;
  };
  journal->append(one(*journal), [&](const AppendResult&) { busy.wait(); });
  while (journal->metrics().commits.read() == 0) {
    std::this_thread::yield();
  }
  journal->append(one(*journal, 50'000), count);  // alone in the queue: allowed, whatever its size
  const auto by_bytes = test::append(*journal, one(*journal));
  EXPECT_THAT(std::get<Overloaded>(by_bytes.error()).what, testing::HasSubstr("1 batches"));
  busy.count_down();
  while (done < 1) {
    std::this_thread::yield();
  }
  std::latch busy_again(1);
  std::atomic<bool> blocked{false};
  journal->append(one(*journal), [&](const AppendResult&) {
    blocked = true;
    busy_again.wait();
  });
  while (!blocked) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 3; ++i) {
    journal->append(one(*journal), count);
  }
  const auto by_number = test::append(*journal, one(*journal));
  EXPECT_EQ(reason_of(by_number.error()), Reason::overloaded);
  EXPECT_EQ(journal->metrics().overloaded.read(), 2U);
  busy_again.count_down();
  journal.reset();  // finishes what is queued
  EXPECT_EQ(done, 4);
}

TEST_F(Embedded, TheLogStaysNearItsBound) {
  auto options_of = options();
  options_of.wal_step = 64 << 10;
  options_of.wal_bound = 256 << 10;
  auto journal = SqliteJournal::open(options_of).value();
  // Some 20 KiB each: the bound is reached again and again, and each time the log is emptied.
  int reached = 0;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(test::append(*journal, one(*journal, 4'000)).has_value());
    if (journal->metrics().wal_bytes.read() < options_of.wal_bound) {
      continue;
    }
    ++reached;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (journal->metrics().wal_bytes.read() >= options_of.wal_bound) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  EXPECT_GT(reached, 3);
  EXPECT_GT(journal->metrics().checkpoints.read(), 5U);
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 2 * options_of.wal_bound);
}

// Then a sync has no new size to make durable (LogRoom).
TEST_F(Embedded, TheLogsFileIsLongerThanTheLogUpToItsBound) {
  SqliteOptions small = options();
  small.wal_bound = LogRoom::kStep + LogRoom::kStep / 2;
  auto journal = SqliteJournal::open(small).value();
  const auto length = [&] { return std::filesystem::file_size(path_ + "-wal"); };
  ASSERT_TRUE(test::append(*journal, one(*journal)));
  ASSERT_TRUE(test::append(*journal, one(*journal)));  // the file is lengthened after the answers
  EXPECT_GE(length(), LogRoom::kStep);
  while (journal->metrics().wal_bytes.read() + LogRoom::kAhead <= LogRoom::kStep) {
    ASSERT_TRUE(test::append(*journal, one(*journal, 20'000)));
  }
  ASSERT_TRUE(test::append(*journal, one(*journal)));
  EXPECT_EQ(length(), small.wal_bound);
}

TEST_F(Embedded, AReaderThatHoldsTheLogStopsAppendsAtItsLimitUntilItLetsGo) {
  auto options_of = options();
  options_of.wal_step = 32 << 10;
  options_of.wal_bound = 64 << 10;
  options_of.wal_limit = 512 << 10;
  auto journal = SqliteJournal::open(options_of).value();
  auto reader = sqlite::Connection::open(path_, sqlite::Connection::Mode::read_only, "").value();
  ASSERT_TRUE(reader->execute("BEGIN"));
  EXPECT_EQ(reader->integer("SELECT count(*) FROM topic"), 0);
  AppendResult result;
  for (int i = 0; i < 200 && result.has_value(); ++i) {
    result = test::append(*journal, one(*journal, 4'000));
  }
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(std::get<Overloaded>(result.error()).what,
              testing::HasSubstr("a reader keeps it from being emptied"));
  ASSERT_TRUE(reader->execute("COMMIT"));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do {
    result = test::append(*journal, one(*journal));
    std::this_thread::yield();
  } while (!result.has_value() && std::chrono::steady_clock::now() < deadline);
  EXPECT_TRUE(result.has_value());
}

TEST_F(Embedded, AnotherOwnerMakesEveryBatchStale) {
  log::set_sink([](log::Level, std::string_view) {});
  auto journal = SqliteJournal::open(options()).value();
  std::filesystem::remove(path_ + ".lock");  // somebody was sure that it was stale
  auto usurper = SqliteJournal::open(options()).value();
  const auto result = test::append(*journal, one(*journal));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(std::get<StaleEpoch>(result.error()).current, usurper->epoch());
  EXPECT_EQ(journal->health().state, Health::State::failed);
  EXPECT_TRUE(test::append(*usurper, one(*usurper)).has_value());
}

// Idempotency keys, payloads and the secrets of keys stand in it.
TEST_F(Embedded, ItsFilesAreTheOwnersAlone) {
  auto journal = SqliteJournal::open(options()).value();
  ASSERT_TRUE(test::append(*journal, one(*journal)).has_value());
  const std::string copy = directory_.file("copy.db");
  ASSERT_TRUE(backup_store(path_, copy).has_value());
  for (const std::string& file : {path_, path_ + "-wal", path_ + "-shm", path_ + ".lock", copy}) {
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << file;
  }
}

TEST_F(Embedded, ItsCategoriesAreBounded) {
  auto journal = SqliteJournal::open(options()).value();
  Batch batch = at(*journal);
  const StreamRef stream = batch.create();
  Append append{RecordClass::topic, stream, {}, {}};
  AppendResult result;
  for (std::size_t i = 0; i <= SqliteWriter::kMaxCategories; ++i) {
    append.records.push_back(record("", std::to_string(i)));
    if (append.records.size() == 9'000 || i == SqliteWriter::kMaxCategories) {
      batch.appends.push_back(std::move(append));
      result = test::append(*journal, std::move(batch));
      if (!result) {
        break;
      }
      batch = at(*journal);
      append = {RecordClass::topic, result->created.empty() ? StreamId(1) : result->created[0], {}, {}};
    }
  }
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(describe(result.error()),
            "the journal has 99000 categories and would have 1001 more, the limit is 100000");
}

}  // namespace
}  // namespace flotilla::journal
