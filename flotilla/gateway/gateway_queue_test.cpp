// The `queue` fallback as a client of the gateway meets it: what may wait, what it is answered, and what not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/call/durable_queue.hpp"
#include "flotilla/gateway/gateway_fixture.hpp"

namespace flotilla::gateway {
namespace {

using call::Taken;

// Keeps what it is given in memory, and answers as a test says.
class FakeQueue final : public call::DurableQueue {
 public:
  bool keeps_order(const std::string&) override { return !waiting.empty(); }
  bool is_waiting(const std::string&, const std::string& key) override { return key == waiting; }
  net::Task<Taken> take(call::DeferredCall deferred) override {
    taken.push_back(std::move(deferred));
    co_return answer;
  }
  void passed_by(const std::string&, call::PassedBy why) override { passed.push_back(why); }

  Taken answer{.what = Taken::What::queued,
               .id = "01HF7YAT00ABCDEFGHJKMNPQRS",
               .status_url = "http://api/v1/queues/later/01HF7YAT00ABCDEFGHJKMNPQRS",
               .detail = {}};
  std::string waiting;
  std::vector<call::DeferredCall> taken;
  std::vector<call::PassedBy> passed;
};

call::ServiceConfig with_queue(std::optional<call::FixedUrl> url = std::nullopt) {
  call::ServiceConfig config = without_retries();
  if (url) {
    config.urls = {*url};
  }
  call::QueueFallback queue{.name = "later"};
  queue.key = *expr::compile(".order");
  config.fallbacks = {queue};
  return config;
}

// A port that nobody listens on.
call::FixedUrl nowhere() {
  const auto loop = net::Loop::create();
  const auto listener =
      net::Listener::open(**loop, *net::SocketAddress::parse("127.0.0.1:0"), 1, [](net::Channel) {});
  return {"127.0.0.1", (*listener)->address().port(), ""};
}

Rig::Setup setup(FakeQueue& queue, call::ServiceConfig config, int status = 200) {
  Rig::Setup made{.service = std::move(config), .script = always(answer(status, "from the service"))};
  made.later = &queue;
  return made;
}

TEST(GatewayQueue, WhatWasNotSentWaits) {
  FakeQueue queue;
  Rig rig(setup(queue, with_queue(nowhere())));
  rig.run([&](Rig& r) -> net::Task<> {
    const Got got =
        co_await r.ask(post("/charges?now=1", R"({"order":"a"})", "Authorization: Bearer x\r\nX-A: b\r\n"));
    EXPECT_EQ(got.status(), "HTTP/1.1 202");
    EXPECT_EQ(got.body(), R"({"status":"pending","id":"01HF7YAT00ABCDEFGHJKMNPQRS","queue":"later",)"
                          R"("status_url":"http://api/v1/queues/later/01HF7YAT00ABCDEFGHJKMNPQRS"})");
    EXPECT_TRUE(got.has("Location: http://api/v1/queues/later/01HF7YAT00ABCDEFGHJKMNPQRS\r\n")) << got.bytes;
    EXPECT_TRUE(got.has("Flotilla-Fallback: queue\r\n")) << got.bytes;
    EXPECT_EQ(r.counters().fallbacks[static_cast<std::size_t>(call::FallbackKind::queue)].read(), 1U);
  });
  ASSERT_EQ(queue.taken.size(), 1U);
  const call::DeferredCall& call = queue.taken[0];
  EXPECT_EQ(call.request.method, "POST");
  EXPECT_EQ(call.request.target, "/charges?now=1");
  EXPECT_EQ(call.request.body, R"({"order":"a"})");
  EXPECT_EQ(call.request.headers.get("Authorization"), "Bearer x");
  EXPECT_EQ(call.request.headers.get("X-A"), "b");
  for (const char* const gone : {"Host", "Content-Length", "X-Request-Timeout-Ms", "Connection"}) {
    EXPECT_FALSE(call.request.headers.contains(gone)) << gone;
  }
  EXPECT_EQ(call.key, "a");
  EXPECT_EQ(call.cause, Reason::connect_failure);
  EXPECT_FALSE(call.maybe_acted);
  EXPECT_FALSE(call.resendable);
}

TEST(GatewayQueue, TheFileSaysWhatIsAnswered) {
  FakeQueue queue;
  call::ServiceConfig config = with_queue(nowhere());
  std::get<call::QueueFallback>(config.fallbacks[0]).pending = call::RespondFallback{
      .status = 200, .headers = {{"Content-Type", "application/json"}}, .body = R"({"status":"pending"})"};
  Rig rig(setup(queue, config));
  rig.run([&](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(post("/", "{}"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_EQ(got.body(), R"({"status":"pending"})");
    EXPECT_TRUE(got.has("Queue-Item: 01HF7YAT00ABCDEFGHJKMNPQRS\r\n")) << got.bytes;
  });
}

TEST(GatewayQueue, WhatMayHaveBeenDoneWaitsOnlyWhereItIsSafeToSendAgain) {
  FakeQueue queue;
  Rig rig(setup(queue, with_queue(), 503));
  rig.run([&](Rig& r) -> net::Task<> {
    Got got = co_await r.ask(post("/", "{}"));
    EXPECT_EQ(got.status(), "HTTP/1.1 503");
    EXPECT_EQ(got.body(), "from the service");
    EXPECT_EQ(queue.passed, std::vector{call::PassedBy::unsafe});
    got = co_await r.ask(post("/", "{}", "Idempotency-Key: mine\r\n"));
    EXPECT_EQ(got.status(), "HTTP/1.1 202");
  });
  ASSERT_EQ(queue.taken.size(), 1U);
  EXPECT_TRUE(queue.taken[0].maybe_acted);
  EXPECT_TRUE(queue.taken[0].resendable);
  EXPECT_EQ(queue.taken[0].request.headers.get("Idempotency-Key"), "mine");
}

TEST(GatewayQueue, AQuestionDoesNotWait) {
  FakeQueue queue;
  Rig rig(setup(queue, with_queue(nowhere())));
  rig.run([&](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(get("/"))).status(), "HTTP/1.1 502");
    EXPECT_EQ((co_await r.ask(post("/", "no JSON"))).status(), "HTTP/1.1 502");
  });
  EXPECT_TRUE(queue.taken.empty());
  EXPECT_EQ(queue.passed, (std::vector{call::PassedBy::unsuitable, call::PassedBy::no_key}));
}

TEST(GatewayQueue, SuccessAndRefusalsOfTheServiceDoNotWait) {
  FakeQueue queue;
  Rig rig(setup(queue, with_queue(), 422));
  rig.run(
      [&](Rig& r) -> net::Task<> { EXPECT_EQ((co_await r.ask(post("/", "{}"))).status(), "HTTP/1.1 422"); });
  EXPECT_TRUE(queue.taken.empty());
}

TEST(GatewayQueue, ACallOfAKeyThatWaitsGoesBehindIt) {
  FakeQueue queue;
  queue.waiting = "a";
  Rig rig(setup(queue, with_queue()));
  rig.run([&](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(post("/", R"({"order":"a"})"))).status(), "HTTP/1.1 202");
    EXPECT_EQ((co_await r.ask(post("/", R"({"order":"b"})"))).status(), "HTTP/1.1 200");
    EXPECT_EQ((co_await r.ask(post("/", "{}"))).status(), "HTTP/1.1 200");
    EXPECT_EQ((co_await r.ask(get("/"))).status(), "HTTP/1.1 200");
    EXPECT_EQ(r.service().heads().size(), 3U);
  });
  ASSERT_EQ(queue.taken.size(), 1U);
  EXPECT_EQ(queue.taken[0].cause, Reason::behind);
}

TEST(GatewayQueue, AFullQueueIsSaidAndNothingIsPending) {
  struct Case {
    Taken::What what;
    std::string_view status;
    std::string_view reason;
  };
  for (const Case& each : {Case{Taken::What::full, "HTTP/1.1 503", "overloaded"},
                           Case{Taken::What::failed, "HTTP/1.1 503", "store-unavailable"},
                           Case{Taken::What::key_reused, "HTTP/1.1 422", "key-reused"}}) {
    FakeQueue queue;
    queue.answer = {.what = each.what, .id = {}, .status_url = {}, .detail = "as it is"};
    call::ServiceConfig config = with_queue(nowhere());
    std::get<call::QueueFallback>(config.fallbacks[0]).pending =
        call::RespondFallback{.status = 202, .body = "pending"};
    Rig rig(setup(queue, config));
    rig.run([&](Rig& r) -> net::Task<> {
      const Got got = co_await r.ask(post("/", "{}"));
      EXPECT_EQ(got.status(), each.status);
      EXPECT_TRUE(got.has(fmt::format(R"("reason":"{}")", each.reason))) << got.bytes;
      EXPECT_TRUE(got.has(R"("effect":"none")")) << got.bytes;
      EXPECT_FALSE(got.has("pending")) << got.bytes;
    });
  }
}

}  // namespace
}  // namespace flotilla::gateway
