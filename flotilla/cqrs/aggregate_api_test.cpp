// The operators' API of aggregates, over a journal in memory.
#include "flotilla/cqrs/aggregate_api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/command_rig.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::cqrs {
namespace {

using test::aggregates;
using test::CommandRig;
using test::kAccounts;
using testing::HasSubstr;

struct Sights {
  explicit Sights(CommandRig& commands) : rig(commands), reader(commands.journal), api(reader) {
    reader.replace(aggregates(kAccounts));
  }
  net::Task<http::Response> get(std::string target) {
    co_return co_await api.handle({.method = "GET", .target = "/api/v1/aggregates" + target},
                                  net::SocketAddress());
  }
  net::Task<json::Value> json(std::string target) {
    const auto answer = co_await get(std::move(target));
    EXPECT_EQ(answer.status, 200) << answer.body;
    co_return *json::parse(answer.body);
  }
  net::Task<> add(std::string id, int times) {
    for (int i = 0; i < times; ++i) {
      EXPECT_EQ((co_await rig.post("add", R"({"id":")" + id + R"(","by":1})")).status, 200);
    }
  }
  CommandRig& rig;
  AggregateReader reader;
  AggregateApi api;
};

TEST(AggregateApi, ShowsStateVersionAndEvents) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    Sights sights(rig);
    co_await sights.add("a/b", 2);
    const auto seen = co_await sights.json("/account/a%2Fb");
    EXPECT_EQ(json::write(seen["state"]), R"({"sum":2})");
    EXPECT_EQ(json::write(seen["version"]), "2");
    EXPECT_EQ(seen["id"].as_string(), "a/b");
    EXPECT_TRUE(seen["snapshot"].is_null());
    EXPECT_EQ(seen["items"].size(), 2U);
    const json::Value& event = seen["items"][1];
    EXPECT_EQ(event["id"].as_string(), "account/a/b/2");
    EXPECT_EQ(event["type"].as_string(), "added");
    EXPECT_EQ(json::write(event["version"]), "2");
    EXPECT_EQ(json::write(event["data"]), R"({"by":1})");
    EXPECT_TRUE(seen["next"].is_null());
  });
}

TEST(AggregateApi, PagesThroughEventsAndGoesBack) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    Sights sights(rig);
    co_await sights.add("a", 8);  // a snapshot every 3
    auto seen = co_await sights.json("/account/a?limit=3&after=3");
    EXPECT_EQ(json::write(seen["snapshot"]), "6");
    EXPECT_EQ(json::write(seen["folded"]), "2");
    EXPECT_EQ(json::write(seen["items"][0]["version"]), "4");
    EXPECT_EQ(seen["next"].as_string(), "6");
    seen = co_await sights.json("/account/a?limit=3&after=6");
    EXPECT_EQ(seen["items"].size(), 2U);
    EXPECT_TRUE(seen["next"].is_null());
    // Every version is the fold from scratch up to it, also those before the snapshot.
    for (int at = 1; at <= 8; ++at) {
      seen = co_await sights.json("/account/a?at=" + std::to_string(at));
      EXPECT_EQ(json::write(seen["state"]), "{\"sum\":" + std::to_string(at) + "}");
      EXPECT_EQ(json::write(seen["version"]), std::to_string(at));
      EXPECT_EQ(json::write(seen["newest"]), "8");
      EXPECT_EQ(seen["items"].size(), static_cast<std::size_t>(at));
    }
  });
}

TEST(AggregateApi, ListsAPageAtATime) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    Sights sights(rig);
    auto list = co_await sights.json("");
    EXPECT_EQ(list["items"].size(), 1U);
    EXPECT_EQ(list["items"][0]["name"].as_string(), "account");
    EXPECT_EQ(json::write(list["items"][0]["commands"]), R"(["add","look","careful","odd"])");
    EXPECT_EQ(json::write(co_await sights.json("/account")), R"({"items":[],"next":null})");
    for (const char* id : {"a", "b \\\"", "c"}) {
      co_await sights.add(id, 4);  // one row each, whatever happens to it
    }
    EXPECT_EQ((co_await rig.post("look", R"({"id":"never"})")).status, 200);
    list = co_await sights.json("/account?limit=2");
    EXPECT_EQ(list["items"].size(), 2U);
    EXPECT_EQ(list["items"][1]["id"].as_string(), "b \"");
    EXPECT_TRUE(list["items"][0]["created"].is_string());
    list = co_await sights.json("/account?limit=2&after=" + std::string(list["next"].as_string()));
    EXPECT_EQ(list["items"].size(), 1U);
    EXPECT_EQ(list["items"][0]["id"].as_string(), "c");
    EXPECT_TRUE(list["next"].is_null());
  });
}

TEST(AggregateApi, SaysWhatIsWrong) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    Sights sights(rig);
    co_await sights.add("a", 2);
    struct {
      const char* target;
      int status;
      const char* says;
    } const cases[] = {
        {"/bank", 404, "the file names no aggregate 'bank'"},
        {"/bank/a", 404, "the file names no aggregate 'bank'"},
        {"/account/b", 404, "there is no account 'b': nothing has happened to it"},
        {"/account/a?at=3", 404, "account 'a' is at version 2, there is no version 3 of it yet"},
        {"/account/a?at=0", 400, "at: expected a number from 1"},
        {"/account/a?limit=501", 400, "limit: expected a number from 1 to 500"},
        {"/account/a?after=x", 400, "after: expected a number"},
        {"/account?limit=0", 400, "limit: expected a number from 1 to 1000"},
        {"/account/a/events", 404, "there is no such path"},
        {"/%zz", 400, "the path has a %"},
    };
    for (const auto& c : cases) {
      const auto answer = co_await sights.get(c.target);
      EXPECT_EQ(answer.status, c.status) << c.target;
      EXPECT_THAT(answer.body, HasSubstr(c.says)) << c.target;
    }
    const auto posted = co_await sights.api.handle(
        {.method = "POST", .target = "/api/v1/aggregates/account/a"}, net::SocketAddress());
    EXPECT_EQ(posted.headers.get("Allow"), "GET, HEAD");
    // What the present evolve cannot fold is said, with the event.
    sights.reader.replace(aggregates(
        "account: { evolve: '.sum + error(\"no\")', commands: { add: { id: .id, decide: '[]' } } }"));
    const auto broken = co_await sights.get("/account/a");
    EXPECT_EQ(broken.status, 503);
    EXPECT_THAT(broken.body, HasSubstr("event 1 of account 'a' cannot be folded"));
  });
}

TEST(AggregateApi, RefusesToLookAtTooManyAtOnce) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    Sights sights(rig);
    co_await sights.add("a", 1);
    net::Scope asking;
    std::vector<int> statuses;
    for (std::size_t i = 0; i < kMaxSeenAtOnce + 3; ++i) {
      asking.spawn([](Sights& all, std::vector<int>& told) -> net::Task<> {
        told.push_back((co_await all.get("/account/a")).status);
      }(sights, statuses));
    }
    EXPECT_EQ(statuses, std::vector<int>(3, 503));  // at once; the others wait for the journal
    while (asking.size() > 0) {
      co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(1));
    }
    EXPECT_EQ(std::ranges::count(statuses, 200), static_cast<int>(kMaxSeenAtOnce));
    EXPECT_EQ((co_await sights.get("/account/a")).status, 200);
  });
}

}  // namespace
}  // namespace flotilla::cqrs
