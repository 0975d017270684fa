#include "flotilla/journal/sqlite_schema.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using sqlite::Connection;

class Schema : public testing::Test {
 protected:
  std::unique_ptr<Connection> connect() {
    return Connection::open(path_, Connection::Mode::create, "").value();
  }
  Result<std::unique_ptr<SqliteJournal>> open() {
    return SqliteJournal::open({.path = path_, .vocabulary = test::vocabulary()});
  }
  test::Directory directory_;
  const std::string path_ = directory_.file("journal.db");
};

TEST_F(Schema, AnOlderStoreIsUpgradedStepByStep) {
  std::vector<const char*> steps(schema_steps().begin(), schema_steps().end());
  steps.push_back("ALTER TABLE store ADD COLUMN new_one INTEGER NOT NULL DEFAULT 7");
  auto db = connect();
  ASSERT_TRUE(migrate(*db, path_, schema_steps()).has_value());
  ASSERT_TRUE(db->execute("UPDATE store SET epoch = 5"));
  ASSERT_TRUE(migrate(*db, path_, steps).has_value());
  EXPECT_EQ(db->integer("SELECT epoch + new_one FROM store"), 12);
  EXPECT_EQ(db->integer("PRAGMA user_version"), static_cast<std::int64_t>(steps.size()));
  ASSERT_TRUE(migrate(*db, path_, steps).has_value());  // nothing to do
}

TEST_F(Schema, RowsOfTheFirstVersionAreFoundByWhatTheySay) {
  {
    auto db = connect();
    ASSERT_TRUE(migrate(*db, path_, schema_steps().first(1)).has_value());
    ASSERT_TRUE(db->execute(R"(
INSERT INTO summaries VALUES (7, 1, 'order', 'running', '{"search":{"user":"u1","no":"7","n":7}}', 1, 1);
INSERT INTO summaries VALUES (8, 1, 'order', 'running', '{"search":"user"}', 1, 1);
INSERT INTO summaries VALUES (9, 1, 'order', 'running', 'no JSON', 1, 1);
UPDATE store SET last_stream = 9)"));
    const auto refused = open_store_for_reading(path_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().message,
              "the store " + path_ +
                  " has schema 1, this version of Flotilla reads 3: start it on the store, "
                  "which upgrades it, or use the version that wrote it");
  }
  const auto journal = open().value();
  const auto found = [&](Search search) {
    std::vector<std::uint64_t> streams;
    for (const Summary& row : test::list(*journal, {.search = std::move(search)}).value()) {
      streams.push_back(row.stream.value());
    }
    return streams;
  };
  EXPECT_EQ(found({{"user", "u1"}}), std::vector<std::uint64_t>{7});
  EXPECT_EQ(found({{"no", "7"}, {"user", "u1"}}), std::vector<std::uint64_t>{7});
  EXPECT_TRUE(found({{"n", "7"}}).empty());
  EXPECT_EQ(connect()->integer("SELECT count(*) FROM search"), 2);
}

TEST_F(Schema, AStepThatFailsChangesNothing) {
  std::vector<const char*> steps(schema_steps().begin(), schema_steps().end());
  steps.push_back("CREATE TABLE halfway(a); INSERT INTO nowhere VALUES (1)");
  auto db = connect();
  const auto result = migrate(*db, path_, steps);
  ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().message.starts_with("cannot bring the store " + path_ +
                                                 " from schema 3 to 4 (it is unchanged)"))
      << result.error().message;
  EXPECT_EQ(db->integer("PRAGMA user_version"), 3);
  EXPECT_EQ(db->integer("SELECT count(*) FROM sqlite_schema WHERE name = 'halfway'"), 0);
}

TEST_F(Schema, ANewerStoreIsRefused) {
  ASSERT_TRUE(open().has_value());
  ASSERT_TRUE(connect()->execute("PRAGMA user_version = 99"));
  const auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  EXPECT_EQ(refused.error().message,
            "the store " + path_ +
                " has schema 99, this version of Flotilla knows up to 3: run the version "
                "that wrote it, or a newer one");
}

TEST_F(Schema, AnotherProgramsFileIsRefusedAndNotTouched) {
  ASSERT_TRUE(connect()->execute("CREATE TABLE theirs(a)"));
  const auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message,
            path_ + " is a SQLite file, but no journal of Flotilla: name another file");
  EXPECT_EQ(connect()->integer("SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(Schema, WhatIsNoDatabaseIsRefused) {
  std::ofstream(path_) << std::string(10'000, 'x');
  const auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_TRUE(refused.error().message.starts_with("cannot read the store " + path_))
      << refused.error().message;
}

TEST_F(Schema, APlaceThatCannotBeWrittenIsNamed) {
  const auto refused =
      SqliteJournal::open({.path = "/proc/none/journal.db", .vocabulary = test::vocabulary()});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message,
            "cannot open the store /proc/none/journal.db: cannot create the lock file "
            "/proc/none/journal.db.lock: No "
            "such file or directory");
}

}  // namespace
}  // namespace flotilla::journal
