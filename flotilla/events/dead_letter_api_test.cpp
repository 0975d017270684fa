// Dead letters of a subscription, through the operators' API, over a journal in memory.
#include "flotilla/events/dead_letter_api.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "flotilla/events/subscription_batch.hpp"
#include "flotilla/events/subscription_rig.hpp"
#include "flotilla/journal/sqlite_journal.hpp"

namespace flotilla::events {
namespace {

using test::json_of;
using test::kCharge;
using World = test::SubscriptionWorld;

constexpr const char* kAnn = R"({"who":"ann","why":"fixed"})";

// Refuses whatever says so, until it is told to take all.
struct Refusing : World {
  explicit Refusing(std::uint32_t shards = 1) : World(shards) {
    subscriber->say = [this](const Attempt& attempt) -> std::uint16_t {
      return !heals && attempt.send.event->data.contains("bad") ? 422 : 200;
    };
  }
  net::Task<json::Value> letters_when(std::size_t count, std::string query = {}) {
    json::Value items;
    for (const Instant deadline = loop->now() + test::kPatience; loop->now() < deadline;) {
      const auto answer = co_await look("charge/dead-letters" + query);
      EXPECT_EQ(answer.status, 200) << answer.body;
      items = json_of(answer)["items"];
      if (items.size() == count) {
        break;
      }
      co_await net::sleep_for(*loop, std::chrono::milliseconds(1));
    }
    EXPECT_EQ(items.size(), count);
    co_return items;
  }
  bool heals = false;
};

std::string id_of(const json::Value& item) { return std::string(item["id"].as_string()); }

TEST(DeadLetterApi, ListsAndShows) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    world.subscriber->body = "no money";
    co_await world.publish("a", R"({"bad":1})");
    co_await world.publish("b", R"({"bad":2})");
    co_await world.publish("a", R"({"good":3})");
    const auto items = co_await world.letters_when(2);
    EXPECT_EQ(items[0]["event"], json::Value("1"));
    EXPECT_EQ(items[0]["key"], json::Value("a"));
    EXPECT_EQ(items[0]["reason"], json::Value("refused"));
    EXPECT_EQ(items[0]["code"], json::Value("422"));
    EXPECT_EQ(items[0]["state"], json::Value("open"));
    EXPECT_EQ((co_await world.letters_when(1, "?key=b"))[0]["event"], json::Value("2"));
    EXPECT_EQ((co_await world.letters_when(0, "?code=500")).size(), 0U);
    EXPECT_EQ((co_await world.letters_when(0, "?state=dropped")).size(), 0U);
    const auto page = json_of(co_await world.look("charge/dead-letters?limit=1"));
    EXPECT_EQ(page["items"].size(), 1U);
    const auto rest = json_of(
        co_await world.look("charge/dead-letters?limit=1&after=" + std::string(page["next"].as_string())));
    EXPECT_EQ(rest["items"][0]["event"], json::Value("2"));
    const auto one = json_of(co_await world.look("charge/dead-letters/" + id_of(items[0])));
    EXPECT_EQ(one["body"], json::Value("no money"));
    EXPECT_EQ(one["event"]["data"]["bad"], json::Value(1));
    EXPECT_EQ(one["event"].find("deadletterreason"), nullptr);
    EXPECT_EQ(one["history"].size(), 0U);
    world.runner->stop();
  });
}

TEST(DeadLetterApi, RefusesWhatIsWrongAndChangesNothing) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    const struct {
      std::string path, body;
      std::uint16_t status;
    } wrong[] = {{at + "/replay", "", 400},
                 {at + "/replay", "[]", 422},
                 {at + "/replay", R"({"who":"ann"})", 422},
                 {at + "/replay", R"({"why":"x"})", 422},
                 {at + "/replay", R"({"who":"ann","why":"x","wyh":1})", 422},
                 {at + "/replay", R"({"who":"a\nb","why":"x"})", 422},
                 {at + "/edit", kAnn, 422},
                 {at + "/burn", kAnn, 404},
                 {"charge/dead-letters/0/drop", kAnn, 404},
                 {"charge/dead-letters/99/drop", kAnn, 404},
                 {"charge/dead-letters/x/drop", kAnn, 404},
                 {"other/dead-letters/1/drop", kAnn, 404},
                 {"other/dead-letters/replay", kAnn, 404},
                 {"charge/dead-letters/replay", R"({"who":"a","why":"b","limit":501})", 400},
                 {"charge/dead-letters/replay", R"({"who":"a","why":"b","after":"x"})", 400}};
    for (const auto& each : wrong) {
      const auto answer = co_await world.operate(each.path, each.body);
      EXPECT_EQ(answer.status, each.status) << each.path << " " << each.body << ": " << answer.body;
    }
    EXPECT_EQ((co_await world.look("charge/dead-letters?state=shut")).status, 400);
    EXPECT_EQ((co_await world.look("charge/dead-letters?keys=a")).status, 400);
    EXPECT_EQ((co_await world.look("charge/dead-letters?limit=0")).status, 400);
    EXPECT_EQ((co_await world.look("other/dead-letters")).status, 404);
    EXPECT_EQ((co_await world.operate("charge/dead-letters", kAnn)).status, 405);
    EXPECT_EQ(json_of(co_await world.look(at))["history"].size(), 0U);
    world.runner->stop();
  });
}

TEST(DeadLetterApi, EditsAndSendsAgain) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    auto answer = co_await world.operate(at + "/edit", R"({"who":"ann","why":"typo","data":{"good":1.10}})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(json_of(answer)["edited"], json::Value(true));
    answer = co_await world.operate(at + "/replay", kAnn);
    EXPECT_EQ(answer.status, 200) << answer.body;
    co_await world.letters_when(1, "?state=delivered");
    EXPECT_EQ(world.subscriber->got.back(), R"(/events {"good":1.10})");
    const auto one = json_of(co_await world.look(at));
    EXPECT_EQ(one["history"][0]["who"], json::Value("ann"));
    EXPECT_EQ(one["history"][0]["why"], json::Value("typo"));
    EXPECT_EQ(one["history"][1]["verb"], json::Value("replay"));
    EXPECT_EQ(one["history"][2]["verb"], json::Value("delivered"));
    const auto paid = co_await world.events_of("paid");
    EXPECT_EQ(paid[0]["causationid"], json::Value("1"));
    answer = co_await world.operate(at + "/drop", kAnn);
    EXPECT_EQ(answer.status, 409);
    EXPECT_TRUE(answer.body.contains("it is delivered already")) << answer.body;
    // The cursor stands where it stood, and goes on.
    co_await world.publish("a", R"({"n":2})");
    co_await world.until([&] { return world.subscriber->got.back() == R"(/events {"n":2})"; });
    EXPECT_EQ(world.subscriber->got.size(), 3U);
    world.runner->stop();
  });
}

TEST(DeadLetterApi, WhatFailsAgainWaitsAgainAndNoSecondOneIsPublished) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    EXPECT_EQ((co_await world.operate(at + "/replay", kAnn)).status, 200);
    co_await world.until([&] { return world.subscriber->got.size() == 2; });
    json::Value one;
    do {
      co_await net::sleep_for(*world.loop, std::chrono::milliseconds(1));
      one = json_of(co_await world.look(at));
    } while (one["state"] != json::Value("open"));
    EXPECT_EQ(one["attempts"], json::Value(2));
    EXPECT_EQ(one["history"][1]["verb"], json::Value("returned"));
    EXPECT_EQ((co_await world.events_of("orders.dead")).size(), 1U);
    EXPECT_EQ((co_await world.events_of("declined")).size(), 1U);
    world.runner->stop();
  });
}

TEST(DeadLetterApi, SendsAllThatFitInTheOrderOfTheirKeys) {
  Refusing world(4);
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    for (int n = 0; n < 20; ++n) {
      co_await world.publish(n % 2 == 0 ? "a" : "b", R"({"bad":)" + std::to_string(n) + "}");
    }
    co_await world.letters_when(20);
    const auto dropped = json_of(
        co_await world.operate("charge/dead-letters/drop", R"({"who":"ann","why":"x","key":"b","limit":3})"));
    EXPECT_EQ(dropped["done"], json::Value(3));
    EXPECT_TRUE(dropped["next"].is_string());
    world.heals = true;
    world.subscriber->got.clear();
    const auto sent = json_of(co_await world.operate("charge/dead-letters/replay", kAnn));
    EXPECT_EQ(sent["done"], json::Value(17));
    EXPECT_TRUE(sent["next"].is_null());
    co_await world.letters_when(17, "?state=delivered");
    co_await world.letters_when(3, "?state=dropped");
    std::vector<std::string> even;
    for (const std::string& got : world.subscriber->got) {
      if (std::stoi(got.substr(got.find(':') + 1)) % 2 == 0) {
        even.push_back(got);
      }
    }
    EXPECT_EQ(even.size(), 10U);
    even.resize(10);
    for (int n = 0; n < 10; ++n) {
      EXPECT_EQ(even[static_cast<std::size_t>(n)], R"(/events {"bad":)" + std::to_string(2 * n) + "}");
    }
    world.runner->stop();
  });
}

TEST(DeadLetterApi, WhatIsToBeSentAgainIsSentAfterARestart) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    world.subscriber->say = [](const Attempt&) -> std::uint16_t { return 503; };
    EXPECT_EQ((co_await world.operate(at + "/replay", kAnn)).status, 200);
    EXPECT_EQ((co_await world.operate(at + "/drop", kAnn)).status, 409);
    world.runner->stop();
    world.subscriber->say = [](const Attempt&) -> std::uint16_t { return 200; };
    world.start(kCharge);
    co_await world.letters_when(1, "?state=delivered");
    world.runner->stop();
  });
}

TEST(DeadLetterApi, ASubscriptionThatIsGoneCanBeClearedAway) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    world.runner->replace({});
    EXPECT_EQ((co_await world.operate(at + "/replay", kAnn)).status, 404);
    EXPECT_EQ((co_await world.operate(at + "/drop", kAnn)).status, 200);
    world.runner->stop();
  });
}

TEST(DeadLetterApi, OneThatNobodySendsAnyMoreCanBeDropped) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    EXPECT_EQ((co_await world.operate("charge/pause")).status, 200);
    EXPECT_EQ((co_await world.operate(at + "/replay", kAnn)).status, 200);
    EXPECT_EQ((co_await world.operate(at + "/drop", kAnn)).status, 409);
    world.runner->replace({});
    co_await world.until([&] { return !world.runner->is_running("charge"); });
    EXPECT_EQ((co_await world.operate(at + "/edit", R"({"who":"ann","why":"x","data":1})")).status, 409);
    EXPECT_EQ((co_await world.operate(at + "/drop", kAnn)).status, 200);
    world.runner->stop();
  });
}

TEST(DeadLetterApi, AnotherProcessHasTheShard) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    const std::string at = "charge/dead-letters/" + id_of((co_await world.letters_when(1))[0]);
    world.journal.lose(0);
    EXPECT_EQ((co_await world.operate(at + "/drop", kAnn)).status, 503);
    EXPECT_EQ((co_await world.look(at)).status, 200);
    world.runner->stop();
  });
}

TEST(DeadLetters, AreCountedAndForgottenOnceTheyAreSettled) {
  Refusing world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"bad":1})");
    co_await world.publish("a", R"({"bad":2})");
    const auto items = co_await world.letters_when(2);
    EXPECT_EQ((co_await world.operate("charge/dead-letters/" + id_of(items[0]) + "/drop", kAnn)).status, 200);
    EXPECT_TRUE(co_await world.letters->sweep(net::wall_now()));
    telemetry::MetricsPage page;
    world.letters->collect(page);
    const std::string text = std::move(page).text();
    EXPECT_TRUE(text.contains(R"(flotilla_subscription_dead_letters{subscription="charge",state="open"} 1)"))
        << text;
    EXPECT_TRUE(
        text.contains(R"(flotilla_subscription_dead_letters{subscription="charge",state="replaying"} 0)"))
        << text;
    world.runner->stop();
  });
}

TEST(DeadLetters, AreForgottenAWhileAfterTheyAreSettled) {
  const std::string path = testing::TempDir() + "flotilla_dead_letters.db";
  for (const char* const suffix : {"", "-wal", "-shm", "-lock"}) {
    std::filesystem::remove(path + suffix);
  }
  const auto loop = std::move(*net::Loop::create());
  auto journal = std::move(
      *journal::SqliteJournal::open({.path = path, .vocabulary = test::vocabulary(), .now = {}, .vfs = {}}));
  SubscriptionRunner runner(*journal, 1);
  DeadLetters letters(*journal, runner);
  const SubscriptionPolicy policy{.name = "charge", .topic = "orders", .dead_letter = "orders.dead"};
  effect::Append append;
  for (int n = 0; n < 2; ++n) {
    append.caused.push_back({.kind = CausedEvent::Kind::dead_letter, .topic = "orders.dead", .event = {}});
  }
  auto batch = make_batch(append, policy, {}, {}).batch;
  batch.epoch = journal->epoch();
  batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  const auto body = [&]() -> net::Task<> {
    EXPECT_TRUE(co_await journal->append(std::move(batch)));
    const auto rows = (co_await letters.list("charge", {}, "", 10)).value().rows;
    EXPECT_EQ(rows.size(), 2U);
    const std::string first = std::to_string(rows[0].stream.value());
    const LetterStep drop{
        .verb = LetterVerb::drop, .who = "ann", .why = "x", .data = {}, .code = {}, .body = {}};
    EXPECT_TRUE(co_await letters.take("charge", first, drop));
    const WallTime now = net::wall_now();
    EXPECT_TRUE(co_await letters.sweep(now));
    EXPECT_TRUE(co_await letters.show("charge", first));
    EXPECT_TRUE(
        co_await letters.sweep({now.ns_since_epoch + (kKeepSettled + std::chrono::hours(1)).count()}));
    EXPECT_EQ((co_await letters.show("charge", first)).error().reason, Reason::not_found);
    EXPECT_EQ((co_await letters.list("charge", {}, "", 10)).value().rows.size(), 1U);
    loop->stop();
  };
  net::Scope scope;
  loop->post([&] { scope.spawn(body()); });
  loop->run();
}

}  // namespace
}  // namespace flotilla::events
