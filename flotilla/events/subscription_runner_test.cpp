// Subscriptions over a journal in memory, with subscribers that answer without a network.
#include "flotilla/events/subscription_runner.hpp"

#include <gtest/gtest.h>

#include "flotilla/config/node.hpp"
#include "flotilla/events/subscription_api.hpp"
#include "flotilla/events/subscription_config_reader.hpp"
#include "flotilla/events/topic_rig.hpp"

namespace flotilla::events {
namespace {

// Answers what `say` says, 200 by itself, and remembers what came.
class FakeSubscriber final : public DeliveryCarrier {
 public:
  explicit FakeSubscriber(net::Loop& loop) : loop_(loop) {}
  net::Task<input::Answer> deliver(const Attempt& attempt, std::function<bool()> wanted) override {
    co_await net::sleep_for(loop_, std::chrono::milliseconds(1));
    input::Answer answer{
        .token = attempt.send.token, .head = {.kind = DeliveryAnswer::Kind::held_back}, .body = body};
    if (wanted()) {
      got.push_back(attempt.target + " " + std::string(attempt.send.event->data));
      last_delivery = attempt.delivery;
      answer.head = {.kind = DeliveryAnswer::Kind::status, .status = say ? say(attempt) : std::uint16_t{200}};
    }
    co_return answer;
  }
  std::function<std::uint16_t(const Attempt&)> say;
  std::string body;
  std::vector<std::string> got;
  std::string last_delivery;

 private:
  net::Loop& loop_;
};

std::vector<SubscriptionPtr> subscriptions(const std::string& yaml) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  config::Problems problems;
  const auto node = config::parse_document(yaml, none, problems);
  auto all = node ? read_subscriptions(*node, problems) : std::vector<SubscriptionPtr>();
  for (const std::string& line : problems.lines("f")) {
    ADD_FAILURE() << line;
  }
  return all;
}

constexpr const char* kCharge =
    "charge: { topic: orders, deliver: POST pay/events, from: earliest, on_success: paid, on_failure: "
    "declined }";

struct World : test::Rig {
  explicit World(std::uint32_t shards = 1) : Rig(shards) {
    topics.replace({default_topic("orders"), default_topic("paid"), default_topic("declined"),
                    default_topic("orders.dead")});
    subscriber = std::make_shared<FakeSubscriber>(*loop);
  }
  void start(const std::string& yaml) {
    runner = std::make_unique<SubscriptionRunner>(journal, 7);
    runner->start(subscriptions(yaml), {{.loop = loop.get(), .carrier = subscriber}});
    api_of_subscriptions = std::make_unique<SubscriptionApi>(*runner);
  }
  net::Task<> publish(std::string key, std::string data) {
    const auto response = co_await post("orders", std::move(data),
                                        {{"ce-id", std::to_string(++published)},
                                         {"ce-source", "/test"},
                                         {"ce-type", "orders"},
                                         {"ce-specversion", "1.0"},
                                         {"ce-partitionkey", std::move(key)},
                                         {"Content-Type", "application/json"}});
    EXPECT_EQ(response.status, 202) << response.body;
  }
  template <class Condition>
  net::Task<> until(Condition condition) {
    const Instant deadline = loop->now() + test::kPatience;
    while (!condition() && loop->now() < deadline) {
      co_await net::sleep_for(*loop, std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }
  net::Task<json::Value> events_of(std::string topic) {
    const auto response = co_await get(topic + "?from=0");
    co_return test::json_of(response)["events"];
  }
  net::Task<http::Response> operate(std::string path, std::string body = {}) {
    co_return co_await api_of_subscriptions->handle_operator(
        {.method = "POST", .target = "/api/v1/subscriptions/" + path, .headers = {}, .body = std::move(body)},
        net::SocketAddress());
  }

  std::shared_ptr<FakeSubscriber> subscriber;
  std::unique_ptr<SubscriptionRunner> runner;
  std::unique_ptr<SubscriptionApi> api_of_subscriptions;
  int published = 0;
};

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
