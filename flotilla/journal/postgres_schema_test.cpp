// How the shared store's schema comes to be; and what may not show in messages.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/postgres_test_server.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using testing::HasSubstr;
using testing::Not;

class PostgresSchema : public testing::Test {
 protected:
  void SetUp() override {
    const auto server = test::postgres_url();
    if (!server) {
      GTEST_SKIP() << "no PostgreSQL";
    }
    database_ = std::make_unique<test::Database>(*server);
  }
  std::unique_ptr<pg::Connection> connect() {
    return pg::Connection::open(pg::parse_address(database_->url()).value(), "test", Millis(10'000)).value();
  }
  std::string open_error() { return PostgresJournal::open(database_->options()).error().message; }

  std::unique_ptr<test::Database> database_;
};

TEST_F(PostgresSchema, ANewerOneIsRefused) {
  (void)database_->open();
  database_->execute("UPDATE flotilla.store SET version = 99");
  EXPECT_THAT(open_error(), HasSubstr("has schema 99, this version of Flotilla knows up to 4"));
  EXPECT_EQ(PostgresJournal::open(database_->options()).error().code, Errc::unsupported);
}

TEST_F(PostgresSchema, OneThatIsNotOursIsRefused) {
  database_->execute("CREATE SCHEMA flotilla");
  EXPECT_THAT(open_error(), HasSubstr("a schema \"flotilla\" that is no journal"));
}

TEST_F(PostgresSchema, AnOlderOneIsBroughtUpAsAWholeOrNotAtAll) {
  const auto connection = connect();
  pg::Steps steps = pg::schema_steps();
  ASSERT_TRUE(pg::migrate(*connection, "test", steps).has_value());
  steps.push_back({"CREATE TABLE flotilla.second(a bigint)", "nonsense"});
  const auto failed = pg::migrate(*connection, "test", steps);
  EXPECT_THAT(failed.error().message, HasSubstr("(it is unchanged"));
  EXPECT_EQ(database_->number("SELECT version FROM flotilla.store"), 4);
  EXPECT_EQ(database_->number("SELECT count(*) FROM pg_tables WHERE tablename = 'second'"), 0);
  steps.back().pop_back();
  EXPECT_TRUE(pg::migrate(*connection, "test", steps).has_value());
  EXPECT_EQ(database_->number("SELECT version FROM flotilla.store"), 5);
  EXPECT_TRUE(pg::migrate(*connection, "test", steps).has_value());
}

TEST_F(PostgresSchema, RowsOfTheFirstVersionAreFoundByWhatTheySay) {
  pg::Steps first = pg::schema_steps();
  first.resize(1);
  ASSERT_TRUE(pg::migrate(*connect(), "test", first).has_value());
  database_->execute(R"(INSERT INTO flotilla.summaries VALUES
  (64, 1, 'order', 'running', '{"search":{"user":"u1","no":"7","n":7}}', 1, 1),
  (65, 1, 'order', 'running', '{"search":"user"}', 1, 1),
  (128, 1, 'order', 'running', 'no JSON, "search"', 1, 1),
  (129, 1, 'order', 'running', '{"search":{"user":"\\u0000"}}', 1, 1))");
  const auto journal = database_->open();
  const auto found = [&](Search search) {
    std::vector<std::uint64_t> streams;
    for (const Summary& row : test::list(*journal, {.search = std::move(search)}).value()) {
      streams.push_back(row.stream.value());
    }
    return streams;
  };
  EXPECT_EQ(found({{"user", "u1"}}), std::vector<std::uint64_t>{64});
  EXPECT_EQ(found({{"no", "7"}, {"user", "u1"}}), std::vector<std::uint64_t>{64});
  EXPECT_TRUE(found({{"n", "7"}}).empty());
  EXPECT_EQ(database_->number("SELECT count(*) FROM flotilla.search"), 2);
}

TEST_F(PostgresSchema, SeveralProcessesMayCreateItAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto connection = connect();
      const auto done = pg::migrate(*connection, "test", pg::schema_steps());
      EXPECT_TRUE(done.has_value()) << done.error().message;
      ++opened;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(opened, 4);
}

TEST_F(PostgresSchema, CommitsAreSynchronousWhateverTheServerSays) {
  database_->execute(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', "
      "current_database()); END $$");
  const auto connection = connect();
  EXPECT_EQ(connection->query("SHOW synchronous_commit")->bytes(0, 0), "on");
}

TEST_F(PostgresSchema, AStatementThatTakesTooLongIsEndedByTheServer) {
  const auto connection =
      pg::Connection::open(pg::parse_address(database_->url()).value(), "test", Millis(50)).value();
  const auto answer = connection->query("SELECT pg_sleep(3600)");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().state, "57014");
  EXPECT_FALSE(answer.error().lost);
  EXPECT_EQ(connection->query("SELECT 7::bigint")->number(0, 0), 7);
}

TEST(PostgresAddress, NoMessageHoldsThePassword) {
  const auto address = pg::parse_address("postgres://me:gehe%20im@127.0.0.1:1/data");
  if (!address && address.error().code == Errc::unsupported) {
    GTEST_SKIP() << "no libpq";
  }
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->name, "postgres://127.0.0.1:1/data");
  EXPECT_EQ(address->password, "gehe im");
  const auto refused = pg::Connection::open(*address, "test", Millis(1000));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("cannot connect to postgres://127.0.0.1:1/data: "));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("gehe")));
  for (const std::string_view wrong :
       {"postgres://me:geheim/x@host/db", "postgres://me:geheim@host/db?nosuch=1",
        "postgres://me:geheim@[::1/db", "host=db password=geheim", "postgres://me:geheim%zz@host/db"}) {
    const auto parsed = pg::parse_address(std::string(wrong));
    ASSERT_FALSE(parsed.has_value()) << wrong;
    EXPECT_EQ(parsed.error().code, Errc::invalid);
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("geheim"))) << wrong;
  }
}

}  // namespace
}  // namespace flotilla::journal
