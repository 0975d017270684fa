// The policies of a service as a client of the gateway meets them: retries, refusals, fallbacks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/gateway/gateway_fixture.hpp"

namespace flotilla::gateway {
namespace {

using namespace std::chrono_literals;
using Call = ScriptedService::Call;

// A port that nobody listens on.
call::FixedUrl nowhere() {
  const auto loop = net::Loop::create();
  const auto listener =
      net::Listener::open(**loop, *net::SocketAddress::parse("127.0.0.1:0"), 1, [](net::Channel) {});
  return {"127.0.0.1", (*listener)->address().port(), ""};
}

TEST(GatewayPolicies, AnswersNoInstanceWhenTheDirectoryKnowsNone) {
  Rig rig({.discovered = true, .script = always(answer(200, "x"))});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 503");
    EXPECT_TRUE(got.has(R"("reason":"no-instance")")) << got.bytes;
    EXPECT_TRUE(got.has(R"("effect":"none")")) << got.bytes;
  });
}

TEST(GatewayPolicies, RetriesARefusedConnectionThenGivesUp) {
  call::ServiceConfig config;
  config.urls = {nowhere()};
  Rig rig({.service = config, .script = always(answer(200, "x"))});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(post("/", "order"));
    EXPECT_EQ(got.status(), "HTTP/1.1 502");
    EXPECT_TRUE(got.has(R"("reason":"connect-failure")")) << got.bytes;
    EXPECT_EQ(r.counters().attempts.read(), 2U);
    EXPECT_EQ(r.counters().retries.read(), 1U);
  });
}

TEST(GatewayPolicies, AnswersTimeoutWhenTheServiceIsSilent) {
  call::ServiceConfig config;
  config.timeout = 30ms;
  Rig rig({.service = config, .script = [](Call& call) -> net::Task<bool> {
             EXPECT_FALSE(co_await call.read(1)) << "the gateway closes the connection that did not answer";
             co_return false;
           }});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 504");
    EXPECT_TRUE(got.has(R"("reason":"timeout")")) << got.bytes;
    while (r.service().ended() == 0) {
      co_await r.service().changed().wait(r.loop().now() + kPatience);
    }
  });
}

ScriptedService::Script unavailable_then_fine() {
  return [](Call& call) -> net::Task<bool> {
    EXPECT_TRUE(co_await call.read(call.head.starts_with("POST") ? 5 : 0));
    call.channel.send(call.number == 1 ? answer(503, "later") : answer(200, "fine"));
    co_return true;
  };
}

TEST(GatewayPolicies, RetriesAnUnavailableGet) {
  Rig rig({.script = unavailable_then_fine()});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_EQ(got.body(), "fine");
    EXPECT_EQ(r.service().heads().size(), 2U);
  });
}

TEST(GatewayPolicies, DoesNotRetryAnUnavailablePost) {
  Rig rig({.script = unavailable_then_fine()});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(post("/", "order"));
    EXPECT_EQ(got.status(), "HTTP/1.1 503");
    EXPECT_EQ(got.body(), "later");
    EXPECT_EQ(r.service().heads().size(), 1U);
  });
}

TEST(GatewayPolicies, RetriesAnUnavailablePostWithAnIdempotencyKey) {
  Rig rig({.script = unavailable_then_fine()});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(post("/", "order", "Idempotency-Key: \"7\"\r\n"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_EQ(r.service().heads().size(), 2U);
  });
}

TEST(GatewayPolicies, ResendsAGetWhenAKeptConnectionClosesAsItIsSent) {
  auto config = call::ServiceConfig{};
  Rig rig(
      {.service = config, .script = [](Call& call) -> net::Task<bool> {
         if (call.number == 2) {
           co_return false;  // it read the request and closes: the race of keep-alive, as the client sees it
         }
         call.channel.send(answer(200, std::to_string(call.number)));
         co_return true;
       }});
  rig.run([](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(get("/first"))).body(), "1");
    const Got got = co_await r.ask(get("/second"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200") << got.bytes;
    EXPECT_EQ(got.body(), "3");
    EXPECT_EQ(r.service().connections(), 2);
  });
}

TEST(GatewayPolicies, DoesNotResendAPostWhenAKeptConnectionCloses) {
  Rig rig({.script = [](Call& call) -> net::Task<bool> {
    if (call.number == 2) {
      co_return false;
    }
    call.channel.send(answer(200, std::to_string(call.number)));
    co_return true;
  }});
  rig.run([](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(get("/first"))).body(), "1");
    const Got got = co_await r.ask(post("/second", "order"));
    EXPECT_EQ(got.status(), "HTTP/1.1 502");
    EXPECT_EQ(r.service().heads().size(), 2U);
  });
}

TEST(GatewayPolicies, RefusesWhileTheBreakerIsOpen) {
  call::ServiceConfig config = without_retries();
  config.circuit_breaker = resilience::BreakerConfig{.consecutive = 2, .open = 9500ms, .jitter = 0};
  Rig rig({.service = config, .script = always(answer(500, "broken"))});
  rig.run([](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(get("/"))).status(), "HTTP/1.1 500");
    EXPECT_EQ((co_await r.ask(get("/"))).status(), "HTTP/1.1 500");
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 503");
    EXPECT_TRUE(got.has(R"("reason":"circuit-open")")) << got.bytes;
    EXPECT_TRUE(got.has("Retry-After: 10\r\n")) << got.bytes;
    EXPECT_EQ(r.service().heads().size(), 2U);
  });
}

TEST(GatewayPolicies, RefusesWhenTheBulkheadIsFull) {
  call::ServiceConfig config = without_retries();
  config.bulkhead = resilience::BulkheadConfig{.concurrent = 1};
  net::Event release;
  Rig rig({.service = config, .script = [&release](Call& call) -> net::Task<bool> {
             co_await release.wait(call.channel.loop().now() + kPatience);
             call.channel.send(answer(200, "slow"));
             co_return true;
           }});
  rig.run([&release](Rig& r) -> net::Task<> {
    const auto first = [](Rig& on, Got& got) -> net::Task<> { got = co_await on.ask(get("/slow")); };
    Got slow;
    net::Scope scope;
    scope.spawn(first(r, slow));
    while (r.service().heads().empty()) {
      co_await r.service().changed().wait(r.loop().now() + kPatience);
    }
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 503");
    EXPECT_TRUE(got.has(R"("reason":"bulkhead-full")")) << got.bytes;
    release.set();
    co_await scope.join();
    EXPECT_EQ(slow.body(), "slow");
  });
}

TEST(GatewayPolicies, RefusesMoreThanTheRateLimitAllows) {
  call::ServiceConfig config;
  config.rate_limit = resilience::RateLimit{.count = 1, .period = 60s, .burst = 1};
  Rig rig({.service = config, .script = always(answer(200, "x"))});
  rig.run([](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(get("/"))).status(), "HTTP/1.1 200");
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 429");
    EXPECT_TRUE(got.has(R"("reason":"rate-limited")")) << got.bytes;
    EXPECT_TRUE(got.has("Retry-After: 60\r\n")) << got.bytes;
    EXPECT_EQ(r.service().heads().size(), 1U);
  });
}

TEST(GatewayPolicies, FallsBackToAFixedAnswer) {
  call::ServiceConfig config = without_retries();
  config.fallbacks.emplace_back(
      call::RespondFallback{.status = 203, .headers = {{"X-Kind", "spare"}}, .body = "[]"});
  Rig rig({.service = config, .script = always(answer(500, "broken"))});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 203");
    EXPECT_EQ(got.body(), "[]");
    EXPECT_TRUE(got.has("X-Kind: spare\r\n")) << got.bytes;
    EXPECT_TRUE(got.has("Flotilla-Fallback: respond\r\n")) << got.bytes;
  });
}

TEST(GatewayPolicies, FallsBackToTheLastGoodAnswerOfTheSameClient) {
  call::ServiceConfig config = without_retries();
  config.fallbacks.emplace_back(call::StaleFallback{.longest = 60s});
  Rig rig({.service = config, .script = [](Call& call) -> net::Task<bool> {
             call.channel.send(call.number == 1 ? answer(200, "good", "X-Kind: live\r\n")
                                                : answer(500, "broken"));
             co_return true;
           }});
  rig.run([](Rig& r) -> net::Task<> {
    EXPECT_EQ((co_await r.ask(get("/item", "Authorization: a\r\n"))).body(), "good");
    const Got got = co_await r.ask(get("/item", "Authorization: a\r\n"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_EQ(got.body(), "good");
    EXPECT_TRUE(got.has("X-Kind: live\r\n")) << got.bytes;
    EXPECT_TRUE(got.has("Flotilla-Fallback: stale\r\n")) << got.bytes;
    EXPECT_TRUE(got.has("Age: ")) << got.bytes;
    EXPECT_EQ((co_await r.ask(get("/item", "Authorization: b\r\n"))).status(), "HTTP/1.1 500");
    EXPECT_EQ((co_await r.ask(get("/other", "Authorization: a\r\n"))).status(), "HTTP/1.1 500");
  });
}

TEST(GatewayPolicies, FallsBackToAnotherService) {
  call::ServiceConfig config = without_retries();
  config.fallbacks.emplace_back(call::ServiceFallback{ServiceName("other")});
  Rig rig({.service = config,
           .script = always(answer(500, "broken")),
           .other = {},
           .other_script = always(answer(200, "spare"))});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_EQ(got.body(), "spare");
  });
}

}  // namespace
}  // namespace flotilla::gateway
