// Subscriptions over a journal in memory, with a subscriber that answers without a network.
//
// Ownership: the world owns all of it. Threads: the test's. Limits: kPatience for whatever should happen;
// only tests include it.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/events/dead_letters.hpp"
#include "flotilla/events/declared_subscriptions.hpp"
#include "flotilla/events/subscription_api.hpp"
#include "flotilla/events/subscription_config_reader.hpp"
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/events/topic_rig.hpp"

namespace flotilla::events::test {

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

inline std::vector<SubscriptionPtr> subscriptions(const std::string& yaml) {
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

inline constexpr const char* kCharge =
    "charge: { topic: orders, deliver: POST pay/events, from: earliest, on_success: paid, on_failure: "
    "declined }";

struct SubscriptionWorld : Rig {
  explicit SubscriptionWorld(std::uint32_t shards = 1) : Rig(shards) {
    topics.replace({default_topic("orders"), default_topic("paid"), default_topic("declined"),
                    default_topic("orders.dead")});
    subscriber = std::make_shared<FakeSubscriber>(*loop);
  }
  void start(const std::string& yaml) {
    runner = std::make_unique<SubscriptionRunner>(journal, 7);
    runner->start(subscriptions(yaml), {{.loop = loop.get(), .carrier = subscriber}});
    letters = std::make_unique<DeadLetters>(journal, *runner);
    declared = std::make_unique<DeclaredSubscriptions>(journal, *runner);
    file = subscriptions(yaml);
    declared->set({.has_service = [](const ServiceName& name) { return name.value() != "nobody"; },
                   .in_file = [this](const std::string& name) { return in_file(name); },
                   .file_count = [this] { return file.size(); },
                   .changed = [this] { runner->replace(merged()); }});
    EXPECT_TRUE(declared->load());
    runner->replace(merged());
    api_of_subscriptions = std::make_unique<SubscriptionApi>(*runner, *letters, *declared);
  }
  [[nodiscard]] bool in_file(const std::string& name) const {
    return std::ranges::any_of(file, [&](const auto& each) { return each->policy.name == name; });
  }
  [[nodiscard]] std::vector<SubscriptionPtr> merged() const {
    std::vector<SubscriptionPtr> all = file;
    for (const SubscriptionPtr& each : declared->all()) {
      if (!in_file(each->policy.name)) {
        all.push_back(each);
      }
    }
    return all;
  }
  net::Task<http::Response> ask(std::string method, std::string name, std::string body = {}) {
    co_return co_await api_of_subscriptions->handle({.method = std::move(method),
                                                     .target = "/v1/subscriptions/" + name,
                                                     .headers = {},
                                                     .body = std::move(body)},
                                                    net::SocketAddress());
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
    const Instant deadline = loop->now() + kPatience;
    while (!condition() && loop->now() < deadline) {
      co_await net::sleep_for(*loop, std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }
  net::Task<json::Value> events_of(std::string topic) {
    const auto response = co_await get(topic + "?from=0");
    co_return json_of(response)["events"];
  }
  net::Task<http::Response> look(std::string path) {
    co_return co_await api_of_subscriptions->handle_operator(
        {.method = "GET", .target = "/api/v1/subscriptions/" + path, .headers = {}, .body = {}},
        net::SocketAddress());
  }
  net::Task<http::Response> operate(std::string path, std::string body = {}) {
    co_return co_await api_of_subscriptions->handle_operator(
        {.method = "POST", .target = "/api/v1/subscriptions/" + path, .headers = {}, .body = std::move(body)},
        net::SocketAddress());
  }

  std::shared_ptr<FakeSubscriber> subscriber;
  std::unique_ptr<SubscriptionRunner> runner;
  std::unique_ptr<DeadLetters> letters;
  std::unique_ptr<DeclaredSubscriptions> declared;
  std::vector<SubscriptionPtr> file;
  std::unique_ptr<SubscriptionApi> api_of_subscriptions;
  int published = 0;
};

}  // namespace flotilla::events::test
