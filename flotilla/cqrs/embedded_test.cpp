// Aggregates of C++ types in an SQLite file.
#include "flotilla/cqrs/embedded.hpp"

#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace flotilla::cqrs {
namespace {

using json::Value;
using testing::HasSubstr;

struct Account {
  std::int64_t sum = 0;
  std::int64_t count = 0;
};

CodeAggregate<Account> account() {
  return CodeAggregate<Account>("account", 1)
      .evolve([](Account state, const AggregateEvent& event) {
        state.sum += event.type == "added" ? event.data["by"].as_int().value_or(0) : 0;
        ++state.count;
        return state;
      })
      .command(
          "add", [](const Value& command) { return command["id"]; },
          [](const Account& state, const Value& command) -> Verdict {
            const std::int64_t by = command["by"].as_int().value_or(0);
            if (state.sum + by > 1000) {
              return Refused{"full", fmt::format("it holds {}", state.sum)};
            }
            return std::vector<NewEvent>{{"added", Value::object({{"by", by}, {"n", state.count + 1}})}};
          });
}

CodeAggregate<Account> with_snapshots() {
  return account().snapshots(
      5, [](const Account& state) { return Value::object({{"sum", state.sum}, {"count", state.count}}); },
      [](const Value& saved) {
        return Account{.sum = saved["sum"].as_int().value_or(0),
                       .count = saved["count"].as_int().value_or(0)};
      });
}

class EmbeddedAggregates : public testing::Test {
 public:
  ~EmbeddedAggregates() override { std::filesystem::remove_all(folder_); }

 protected:
  EmbeddedAggregates()
      : folder_(std::filesystem::path(testing::TempDir()) /
                fmt::format("embedded_aggregates_{}", ::getpid())) {
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] Result<Embedded> open(std::vector<AggregatePtr> aggregates) const {
    return Embedded::open({.path = (folder_ / "file.db").string(), .aggregates = std::move(aggregates)});
  }
  static Value adding(std::int64_t by) { return Value::object({{"id", "a"}, {"by", by}}); }

 private:
  std::filesystem::path folder_;
};

TEST_F(EmbeddedAggregates, DecideDurably) {
  for (const CodeAggregate<Account>& made : {account(), with_snapshots()}) {
    auto accounts = open({made.build()});
    ASSERT_TRUE(accounts.has_value()) << accounts.error().message;
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(accounts->execute("add", adding(10)).has_value());
    }
  }
  auto accounts = open({with_snapshots().build()});
  ASSERT_TRUE(accounts.has_value());
  const auto reply = accounts->execute("add", adding(600), {.key = "k", .expected = 40});
  ASSERT_TRUE(reply.has_value()) << reply.error().detail;
  EXPECT_EQ(reply->version, 41U);
  EXPECT_EQ(reply->events.at(0).data, R"({"by":600,"n":41})");
  const auto refused = accounts->execute("add", adding(1));
  EXPECT_EQ(refused.error().code, "full");
  EXPECT_EQ(refused.error().detail, "it holds 1000");
  EXPECT_EQ(accounts->execute("add", adding(600), {.key = "k", .expected = 40})->position, reply->position);
  EXPECT_EQ(accounts->execute("add", adding(0), {.key = "k"}).error().reason, Reason::key_reused);
  EXPECT_EQ(accounts->execute("add", adding(0), {.expected = 40}).error().reason, Reason::conflict);
  EXPECT_EQ(accounts->execute("sub", adding(0)).error().reason, Reason::not_found);
  accounts->close();
  EXPECT_EQ(accounts->execute("add", adding(0)).error().reason, Reason::draining);
}

TEST_F(EmbeddedAggregates, FoldOldEventsInTheirNewestForm) {
  {
    auto accounts = open({with_snapshots().build()});
    ASSERT_TRUE(accounts.has_value());
    for (int i = 0; i < 7; ++i) {
      ASSERT_TRUE(accounts->execute("add", adding(1)).has_value());
    }
  }
  // The second form counts in cents.
  const auto cents =
      CodeAggregate<Account>("account", 2)
          .evolve([](Account state, const AggregateEvent& event) {
            state.sum += event.data["cents"].as_int().value_or(-1);
            return state;
          })
          .upcast("added",
                  [](const Value& data) {
                    return Value::object({{"cents", data["by"].as_int().value_or(0) * 100}});
                  })
          .command(
              "add", [](const Value& command) { return command["id"]; },
              [](const Account& state, const Value& command) -> Verdict {
                return std::vector<NewEvent>{
                    {"added", Value::object({{"cents", command["by"]}, {"before", state.sum}})}};
              })
          .build();
  auto accounts = open({cents});
  ASSERT_TRUE(accounts.has_value());
  EXPECT_EQ(accounts->execute("add", adding(5))->events.at(0).data, R"({"cents":5,"before":700})");
  const auto last = accounts->execute("add", adding(1));
  EXPECT_EQ(last->events.at(0).data, R"({"cents":1,"before":705})");
  EXPECT_EQ(last->events.at(0).attribute("dataversion"), "2");
}

TEST_F(EmbeddedAggregates, TakeCommandsFromManyThreads) {
  auto accounts = open({with_snapshots().build()});
  ASSERT_TRUE(accounts.has_value());
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10; ++n) {
        failed += accounts->execute("add", adding(1)).has_value() ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failed, 0);
  const auto last = accounts->execute("add", adding(1));
  EXPECT_EQ(last->version, 81U);
  EXPECT_EQ(last->events.at(0).data, R"({"by":1,"n":81})");
}

TEST_F(EmbeddedAggregates, SayWhatIsWrongWithThem) {
  EXPECT_THAT(open({CodeAggregate<Account>("a", 1).build()}).error().message, HasSubstr("'a' has no evolve"));
  EXPECT_THAT(open({account().build(), account().build()}).error().message, HasSubstr("stands twice"));
  EXPECT_THAT(open({CodeAggregate<Account>("a/b", 1).build()}).error().message,
              HasSubstr("cannot be the name"));
}

}  // namespace
}  // namespace flotilla::cqrs
