// Subscriptions over a journal in memory, with subscribers that answer without a network.
#include "flotilla/events/subscription_runner.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/subscription_rig.hpp"

namespace flotilla::events {
namespace {

using test::kCharge;
using test::subscriptions;
using World = test::SubscriptionWorld;

TEST(SubscriptionRunner, DeliversAndGoesOnWhereItWas) {
  World world;
  world.run([&]() -> net::Task<> {
    co_await world.publish("a", R"({"n":1})");
    co_await world.publish("a", R"({"n":2})");
    world.start(kCharge);
    co_await world.publish("a", R"({"n":3})");
    co_await world.until([&] { return world.subscriber->got.size() == 3; });
    EXPECT_EQ(world.subscriber->got,
              (std::vector<std::string>{R"(/events {"n":1})", R"(/events {"n":2})", R"(/events {"n":3})"}));
    for (;;) {  // until the last is settled
      const auto paid = co_await world.events_of("paid");
      if (paid.size() == 3) {
        EXPECT_EQ(paid[0]["data"]["n"], json::Value(1));
        EXPECT_EQ(paid[0]["causationid"], json::Value("1"));
        break;
      }
      co_await net::sleep_for(*world.loop, std::chrono::milliseconds(1));
    }
    world.runner->stop();
    world.subscriber->got.clear();
    co_await world.publish("a", R"({"n":4})");
    world.start(kCharge);
    co_await world.until([&] { return !world.subscriber->got.empty(); });
    EXPECT_EQ(world.subscriber->got, std::vector<std::string>{R"(/events {"n":4})"});
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, ANewOneBeginsWithWhatIsPublishedFromThen) {
  World world;
  world.run([&]() -> net::Task<> {
    co_await world.publish("a", R"({"n":1})");
    world.start("charge: { topic: orders, deliver: POST pay/events }");
    co_await world.publish("a", R"({"n":2})");
    co_await world.until([&] { return !world.subscriber->got.empty(); });
    EXPECT_EQ(world.subscriber->got, std::vector<std::string>{R"(/events {"n":2})"});
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, RefusalsAreDeadLettersAndPublished) {
  World world;
  world.subscriber->body = R"({"code":"declined"})";
  world.subscriber->say = [](const Attempt&) -> std::uint16_t { return 422; };
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"n":1})");
    json::Value dead;
    while (dead.empty()) {
      co_await net::sleep_for(*world.loop, std::chrono::milliseconds(1));
      dead = co_await world.events_of("orders.dead");
    }
    EXPECT_EQ(dead[0]["id"], json::Value("1"));
    EXPECT_EQ(dead[0]["deadlettergroup"], json::Value("charge"));
    EXPECT_EQ(dead[0]["deadlettercode"], json::Value("422"));
    EXPECT_EQ(dead[0]["data"]["n"], json::Value(1));
    const auto declined = co_await world.events_of("declined");
    EXPECT_EQ(declined[0]["data"]["error"]["status"], json::Value(422));
    EXPECT_EQ(declined[0]["data"]["error"]["body"]["code"], json::Value("declined"));
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, FiltersAndFillsTheTarget) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(
        "mail: { topic: orders, deliver: 'PUT mail/orders/{.id}', filter: .total > 10, order_by: none }");
    co_await world.publish("a", R"({"id":"x y","total":11})");
    co_await world.publish("a", R"({"id":"z","total":9})");
    co_await world.publish("a", R"({"total":12})");  // nothing to put into the path
    co_await world.publish("a", R"({"id":3,"total":13})");
    co_await world.until([&] { return world.subscriber->got.size() == 2; });
    EXPECT_EQ(world.subscriber->got[0].substr(0, 13), "/orders/x%20y");
    EXPECT_EQ(world.subscriber->got[1].substr(0, 9), "/orders/3");
    json::Value dead;
    while (dead.empty()) {
      co_await net::sleep_for(*world.loop, std::chrono::milliseconds(1));
      dead = co_await world.events_of("orders.dead");
    }
    EXPECT_EQ(dead[0]["deadletterreason"], json::Value("broken"));
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, PeoplePauseResumeAndReplay) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    auto answer = co_await world.operate("charge/pause", R"({"who":"ann","why":"bad deploy"})");
    while (answer.status == 503) {  // it is being read
      co_await net::sleep_for(*world.loop, std::chrono::milliseconds(1));
      answer = co_await world.operate("charge/pause", R"({"who":"ann","why":"bad deploy"})");
    }
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(test::json_of(answer)["state"], json::Value("paused"));
    EXPECT_EQ(test::json_of(answer)["pause"]["detail"], json::Value("ann: bad deploy"));
    co_await world.publish("a", R"({"n":1})");
    co_await net::sleep_for(*world.loop, std::chrono::milliseconds(20));
    EXPECT_TRUE(world.subscriber->got.empty());
    EXPECT_EQ((co_await world.operate("charge/resume")).status, 200);
    co_await world.until([&] { return world.subscriber->got.size() == 1; });
    EXPECT_EQ((co_await world.operate("charge/replay", R"({"from":"0"})")).status, 200);
    co_await world.until([&] { return world.subscriber->got.size() == 2; });
    EXPECT_EQ((co_await world.operate("charge/replay", R"({"from":"x"})")).status, 422);
    EXPECT_EQ((co_await world.operate("charge/replay", R"({"from":"0","to":"y"})")).status, 422);
    EXPECT_EQ((co_await world.operate("charge/replay", R"({"from":"0","to":"0"})")).status, 422);
    EXPECT_EQ((co_await world.operate("charge/replay", R"({"form":"0"})")).status, 422);
    EXPECT_EQ((co_await world.operate("charge/release", R"({"key":"z"})")).status, 404);
    EXPECT_EQ((co_await world.operate("nobody/pause")).status, 404);
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, WhatIsAnswered202IsAcknowledgedByItsToken) {
  World world;
  world.subscriber->say = [](const Attempt&) -> std::uint16_t { return 202; };
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"n":1})");
    co_await world.until([&] { return !world.subscriber->got.empty(); });
    const auto ack = [&](std::string token) -> net::Task<http::Response> {
      co_return co_await world.api_of_subscriptions->handle(
          {.method = "POST",
           .target = "/v1/subscriptions/charge/ack/" + token,
           .headers = {},
           .body = R"({"paid":true})"},
          net::SocketAddress());
    };
    EXPECT_EQ((co_await ack(world.subscriber->last_delivery)).status, 204);
    EXPECT_EQ((co_await ack(world.subscriber->last_delivery)).status, 404);
    EXPECT_EQ((co_await ack("0-zz")).status, 404);
    const auto paid = co_await world.events_of("paid");
    EXPECT_EQ(paid[0]["data"]["paid"], json::Value(true));
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, AnAppendOfUnknownFateIsReadAgain) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"n":1})");
    world.journal.break_appends(journal::StoreUnavailable{.reason = "test", .effect = Effect::unknown});
    co_await world.until([&] { return !world.subscriber->got.empty(); });
    co_await net::sleep_for(*world.loop, std::chrono::milliseconds(50));
    world.journal.break_appends(std::nullopt);
    co_await world.until([&] { return world.subscriber->got.size() >= 2; });  // sent again
    co_await world.publish("a", R"({"n":2})");
    co_await world.until([&] { return world.subscriber->got.back() == R"(/events {"n":2})"; });
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, RunsTheShardsThatAreOursAndStopsTheOthers) {
  World world(4);
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"n":1})");
    co_await world.until([&] { return world.subscriber->got.size() == 1; });
    for (std::uint32_t shard = 0; shard < 4; ++shard) {
      world.journal.lose(shard);
    }
    bool elsewhere = false;
    for (const Instant deadline = world.loop->now() + test::kPatience;
         !elsewhere && world.loop->now() < deadline;) {
      co_await net::sleep_for(*world.loop, std::chrono::milliseconds(20));
      const auto report = co_await world.runner->show("charge");
      elsewhere = report && report->state == "elsewhere";
    }
    EXPECT_TRUE(elsewhere);
    for (std::uint32_t shard = 0; shard < 4; ++shard) {
      world.journal.begin_epoch(shard);
    }
    co_await world.publish("a", R"({"n":2})");
    co_await world.until([&] { return world.subscriber->got.back() == R"(/events {"n":2})"; });
    world.runner->stop();
  });
}

TEST(SubscriptionRunner, AReloadKeepsWhatIsAsItWas) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kCharge);
    co_await world.publish("a", R"({"n":1})");
    co_await world.until([&] { return world.subscriber->got.size() == 1; });
    world.runner->replace(subscriptions(kCharge));
    co_await world.publish("a", R"({"n":2})");
    co_await world.until([&] { return world.subscriber->got.size() == 2; });
    world.runner->replace(subscriptions("charge: { topic: orders, deliver: POST pay/v2 }"));
    co_await world.publish("a", R"({"n":3})");
    co_await world.until([&] { return world.subscriber->got.back() == R"(/v2 {"n":3})"; });
    world.runner->replace({});
    EXPECT_EQ((co_await world.runner->list()).size(), 0U);
    world.runner->stop();
  });
}

}  // namespace
}  // namespace flotilla::events
