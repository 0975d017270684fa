// Queues for later over a journal in memory, with a service that answers without a network.
#include "flotilla/events/queue_runner.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "flotilla/events/queue_api.hpp"
#include "flotilla/events/queue_batch.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::events {
namespace {

using What = call::Taken::What;

constexpr Duration kPatience = std::chrono::seconds(30);

// Answers what `say` says, 200 by itself, and remembers what came.
class FakeService final : public QueueCarrier {
 public:
  explicit FakeService(net::Loop& loop) : loop_(loop) {}
  net::Task<queue_input::Answer> deliver(const Queue& /*queue*/, const AcceptedRecord& call,
                                         std::function<bool()> wanted) override {
    co_await net::sleep_for(loop_, std::chrono::milliseconds(1));
    queue_input::Answer answer{.head = {.kind = DeliveryAnswer::Kind::held_back}};
    if (wanted()) {
      got.push_back(call.request.method + " " + call.request.target + " " + call.request.body);
      keys.push_back(call.idempotency_key);
      answer.head = {.kind = DeliveryAnswer::Kind::status, .status = say ? say(call) : std::uint16_t{200}};
      answer.content_type = "application/json";
      answer.body = R"({"charged":true})";
    }
    co_return answer;
  }
  ServiceWeather look(const Queue& /*queue*/) override {
    ++looks;
    return {.gate = gate};
  }

  QueueGate gate = QueueGate::open;
  int looks = 0;  // at the gate
  std::function<std::uint16_t(const AcceptedRecord&)> say;
  std::vector<std::string> got;
  std::vector<std::string> keys;

 private:
  net::Loop& loop_;
};

journal::Vocabulary vocabulary() {
  journal::Vocabulary all;
  all.add(queue_record_types());
  return all;
}

struct World {
  World() {
    fallback.name = "charges";
    fallback.drain = 1000;
    fallback.retry = {
        .attempts = 3, .first = std::chrono::milliseconds(1), .cap = std::chrono::milliseconds(2)};
    fallback.key = *expr::compile(".order");
  }
  template <class Body>
  void run(Body body) {
    net::Scope scope;
    loop->post([&] {
      scope.spawn([](Body& what, net::Loop& on) -> net::Task<> {
        co_await what();
        on.stop();
      }(body, *loop));
    });
    loop->run();
  }
  // The gate from the first look on: a later change is seen by a look to come.
  void start(QueueGate gate = QueueGate::open) {
    service = std::make_shared<FakeService>(*loop);
    service->gate = gate;
    runner = std::make_unique<QueueRunner>(journal, 7, "http://flotilla:9901");
    runner->start({make_queue(ServiceName("pay"), fallback)}, {{.loop = loop.get(), .carrier = service}});
    api = std::make_unique<QueueApi>(*runner);
  }
  net::Task<call::Taken> take(std::string body, std::string key = {}) {
    call::DeferredCall deferred{
        .queue = fallback,
        .service = ServiceName("pay"),
        .request = {.method = "POST", .target = "/charges", .headers = {}, .body = body},
        .key = *call::ordering_key(fallback, body),
        .cause = Reason::circuit_open};
    if (!key.empty()) {
      deferred.request.headers.add("Idempotency-Key", key);
      deferred.request.headers.add("Authorization", "Bearer secret");
      deferred.resendable = true;
    }
    co_return co_await runner->take(std::move(deferred));
  }
  template <class Condition>
  net::Task<> until(Condition condition) {
    const Instant deadline = loop->now() + kPatience;
    while (!condition() && loop->now() < deadline) {
      co_await net::sleep_for(*loop, std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }
  net::Task<json::Value> ask(std::string method, std::string path, std::uint16_t status = 200,
                             std::string body = {}) {
    const auto response = co_await api->handle(
        {.method = std::move(method), .target = "/v1/queues" + path, .headers = {}, .body = std::move(body)},
        net::SocketAddress());
    EXPECT_EQ(response.status, status) << response.body;
    auto value = json::parse(response.body);
    EXPECT_TRUE(value) << response.body;
    co_return value.value_or(json::Value());
  }
  net::Task<> until_state(std::string id, std::string_view state) {
    const Instant deadline = loop->now() + kPatience;
    for (;;) {
      const json::Value item = co_await ask("GET", "/charges/" + id);
      if (item["state"] == json::Value(state) || loop->now() >= deadline) {
        EXPECT_EQ(item["state"], json::Value(state));
        co_return;
      }
      co_await net::sleep_for(*loop, std::chrono::milliseconds(1));
    }
  }

  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  journal::MemoryJournal journal{vocabulary()};
  call::QueueFallback fallback;
  std::shared_ptr<FakeService> service;
  std::unique_ptr<QueueRunner> runner;
  std::unique_ptr<QueueApi> api;
};

TEST(QueueRunner, KeepsCallsWhileTheBreakerIsOpenAndCarriesThemOutInOrder) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(QueueGate::closed);
    const auto first = co_await world.take(R"({"order":"a","n":1})");
    const auto second = co_await world.take(R"({"order":"a","n":2})");
    EXPECT_EQ(first.what, What::queued) << first.detail;
    EXPECT_EQ(first.status_url, "http://flotilla:9901/v1/queues/charges/" + first.id);
    EXPECT_TRUE(world.runner->keeps_order("charges"));
    EXPECT_TRUE(world.runner->is_waiting("charges", "a"));
    EXPECT_FALSE(world.runner->is_waiting("charges", "b"));
    const json::Value page = co_await world.ask("GET", "/charges?state=pending");
    EXPECT_EQ(page["items"].size(), 2U);
    EXPECT_EQ(page["items"][0]["certainty"], json::Value("never-sent"));
    EXPECT_EQ(page["queue"]["waiting"], json::Value(2));
    EXPECT_TRUE(world.service->got.empty());
    world.service->gate = QueueGate::open;
    co_await world.until_state(second.id, "done");
    EXPECT_EQ(world.service->got, (std::vector<std::string>{R"(POST /charges {"order":"a","n":1})",
                                                            R"(POST /charges {"order":"a","n":2})"}));
    EXPECT_FALSE(world.runner->is_waiting("charges", "a"));
    const json::Value story = co_await world.ask("GET", "/charges/" + first.id);
    EXPECT_EQ(story["result"]["status"], json::Value(200));
    EXPECT_EQ(story["result"]["body"]["charged"], json::Value(true));
    EXPECT_EQ(story["request"]["body"]["n"], json::Value(1));
    EXPECT_EQ(story["history"].size(), 3U);
    world.runner->stop();
  });
}

TEST(QueueRunner, ARestartGoesOnWithWhatIsThere) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(QueueGate::closed);
    const auto taken = co_await world.take(R"({"order":"a","n":1})");
    world.runner->stop();
    EXPECT_EQ((co_await world.take(R"({"order":"a","n":2})")).what, What::failed);
    world.journal.begin_epoch();
    world.start();
    co_await world.until_state(taken.id, "done");
    EXPECT_EQ(world.service->got.size(), 1U);
    EXPECT_EQ(world.service->keys[0].substr(0, 3), "q1-");  // made up when it was taken, and kept
    world.runner->stop();
  });
}

TEST(QueueRunner, OneIdempotencyKeyIsOneCall) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(QueueGate::closed);
    const auto first = co_await world.take(R"({"n":1})", "mine");
    const auto again = co_await world.take(R"({"n":1})", "mine");
    EXPECT_EQ(first.what, What::queued);
    EXPECT_EQ(again.what, What::duplicate);
    EXPECT_EQ(again.id, first.id);
    EXPECT_EQ((co_await world.take(R"({"n":2})", "mine")).what, What::key_reused);
    const json::Value story = co_await world.ask("GET", "/charges/" + first.id);
    EXPECT_EQ(story["request"]["headers"]["Authorization"], json::Value("***"));
    EXPECT_EQ(story["request"]["headers"]["Idempotency-Key"], json::Value("***"));
    world.service->gate = QueueGate::open;
    co_await world.until_state(first.id, "done");
    EXPECT_EQ(world.service->keys, std::vector<std::string>{"mine"});
    EXPECT_EQ((co_await world.take(R"({"n":1})", "mine")).what, What::duplicate);  // the result is kept
    world.runner->stop();
  });
}

TEST(QueueRunner, DeadLettersAreForPeople) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start();
    world.service->say = [](const AcceptedRecord&) { return std::uint16_t{422}; };
    const auto taken = co_await world.take(R"({"n":1})", "mine");
    co_await world.until_state(taken.id, "dead");
    json::Value item = co_await world.ask("GET", "/charges/" + taken.id);
    EXPECT_EQ(item["reason"], json::Value("refused"));
    EXPECT_EQ(item["result"]["status"], json::Value(422));
    // Its sender may try anew: the key is free again.
    world.service->gate = QueueGate::closed;
    const int looks = world.service->looks;
    co_await world.until([&] { return world.service->looks > looks; });
    const auto other = co_await world.take(R"({"n":2})", "mine");
    EXPECT_EQ(other.what, What::queued);
    world.service->say = nullptr;
    item =
        co_await world.ask("POST", "/charges/" + taken.id + "/retry", 200, R"({"who":"me","why":"a test"})");
    EXPECT_EQ(item["state"], json::Value("pending"));
    item = co_await world.ask("DELETE", "/charges/" + other.id);
    EXPECT_EQ(item["state"], json::Value("removed"));
    world.service->gate = QueueGate::open;
    co_await world.until_state(taken.id, "done");
    item = co_await world.ask("POST", "/charges/" + taken.id + "/retry", 409);
    EXPECT_EQ(item["detail"], json::Value("it is done"));
    const json::Value story = co_await world.ask("GET", "/charges/" + taken.id);
    EXPECT_EQ(story["history"][3]["by"], json::Value("me: a test"));
    EXPECT_EQ(world.service->got.size(), 2U);
    world.runner->stop();
  });
}

TEST(QueueRunner, RefusesBeyondItsBoundAndWhatItDoesNotKnow) {
  World world;
  world.fallback.items = 1;
  world.run([&]() -> net::Task<> {
    world.start(QueueGate::closed);
    EXPECT_EQ((co_await world.take(R"({"n":1})")).what, What::queued);
    const auto full = co_await world.take(R"({"n":2})");
    EXPECT_EQ(full.what, What::full);
    EXPECT_EQ(full.detail, "queue 'charges' is at its bound of 1 calls or 67108864 bytes");
    world.fallback.name = "other";
    EXPECT_EQ((co_await world.take(R"({"n":2})")).what, What::failed);
    (void)co_await world.ask("GET", "/other", 404);
    (void)co_await world.ask("GET", "/charges/nonsense", 404);
    (void)co_await world.ask("GET", "/charges/01HF7YAT00ABCDEFGHJKMNPQRS", 404);
    (void)co_await world.ask("GET", "/charges?state=lost", 400);
    (void)co_await world.ask("GET", "/charges?limit=0", 400);
    (void)co_await world.ask("GET", "/charges?after=x", 400);
    (void)co_await world.ask("PUT", "/charges", 405);
    (void)co_await world.ask("GET", "/charges/x/y/z", 404);
    (void)co_await world.ask("DELETE", "/charges/01HF7YAT00ABCDEFGHJKMNPQRS", 422, R"({"whom":"me"})");
    world.runner->stop();
  });
}

TEST(QueueRunner, SaysPendingOfNothingThatTheJournalDoesNotHave) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start();
    world.journal.break_appends(journal::StoreUnavailable{.reason = "no space", .effect = Effect::none});
    const auto sure = co_await world.take(R"({"n":1})");
    EXPECT_EQ(sure.what, What::failed);
    EXPECT_FALSE(sure.maybe_kept);
    world.journal.break_appends(journal::StoreUnavailable{.reason = "gone", .effect = Effect::unknown});
    const auto doubt = co_await world.take(R"({"n":2})");
    EXPECT_EQ(doubt.what, What::failed);
    EXPECT_TRUE(doubt.maybe_kept);
    world.journal.break_appends(std::nullopt);
    const auto later = co_await world.take(R"({"n":3})");  // when it was read anew
    EXPECT_EQ(later.what, What::queued);
    co_await world.until_state(later.id, "done");
    EXPECT_EQ(world.service->got.size(), 1U);
    world.runner->stop();
  });
}

TEST(QueueRunner, TheListPagesTheOldestFirst) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(QueueGate::closed);
    for (int n = 0; n < 5; ++n) {
      (void)co_await world.take("{}");
    }
    std::size_t seen = 0;
    for (std::string after = "0"; !after.empty();) {
      const json::Value page = co_await world.ask("GET", "/charges?limit=2&after=" + after);
      seen += page["items"].size();
      after = page["next"].is_string() ? std::string(page["next"].as_string()) : std::string();
    }
    EXPECT_EQ(seen, 5U);
    const json::Value all = co_await world.ask("GET", "");
    EXPECT_EQ(all["items"][0]["name"], json::Value("charges"));
    EXPECT_EQ(all["items"][0]["waiting"], json::Value(5));
    world.runner->stop();
  });
}

TEST(QueueRunner, AReloadKeepsWhatWaits) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(QueueGate::closed);
    const auto taken = co_await world.take("{}");
    // replace() waits for the queue to end, so it is asked from another thread than the queue's.
    world.fallback.written = "changed";
    net::Event replaced;
    bool done = false;
    std::thread control([&] {
      world.runner->replace({make_queue(ServiceName("pay"), world.fallback)});
      world.loop->post([&] {
        done = true;
        replaced.set();
      });
    });
    while (!done) {
      co_await replaced.wait();
    }
    control.join();
    world.service->gate = QueueGate::open;
    co_await world.until_state(taken.id, "done");
    world.runner->stop();
  });
}

}  // namespace
}  // namespace flotilla::events
