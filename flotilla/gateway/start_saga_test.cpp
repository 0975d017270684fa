// The action `saga` over a socket, with Sagas that answer what the test says.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/gateway/gateway_config_reader.hpp"
#include "flotilla/gateway/gateway_fixture.hpp"
#include "flotilla/saga/fake_sagas.hpp"

namespace flotilla::gateway {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Rig::Setup running(saga::Sagas& sagas) {
  return {.script = always(answer(200, "")),
          .action = SagaConfig{.saga = "place-order", .wait = 5s, .where = "f:1:1"},
          .named = {.compositions = {}, .sagas = {"place-order"}},
          .sagas = &sagas};
}

Got ask(Rig::Setup setup, std::string request) {
  Got got;
  Rig rig(std::move(setup));
  rig.run([&](Rig& r) -> net::Task<> { got = co_await r.ask(request); });
  return got;
}

TEST(StartSaga, AnswersTheSagaWithItsEndInTheStatus) {
  struct {
    const char* state;
    int status;
  } const cases[] = {{"completed", 200}, {"running", 202},  {"suspended", 202},  {"committed", 202},
                     {"failed", 409},    {"rejected", 409}, {"compensated", 409}};
  for (const auto& c : cases) {
    saga::FakeSagas sagas;
    sagas.state = c.state;
    const Got got = ask(running(sagas), post("/orders", R"({"order_id":"o-1"})"));
    EXPECT_THAT(got.bytes, StartsWith(fmt::format("HTTP/1.1 {} ", c.status)));
    EXPECT_TRUE(got.has("\r\nContent-Type: application/json\r\n")) << got.bytes;
    EXPECT_TRUE(got.has("\r\nLocation: /v1/sagas/01JZ6X7Q8R9S0T1V2W3X4Y5Z6A\r\n")) << got.bytes;
    EXPECT_EQ(got.body(), json::write(saga::FakeSagas::saga_in(c.state).body));
  }
}

TEST(StartSaga, AsksForWhatTheRequestSays) {
  saga::FakeSagas sagas;
  ask(running(sagas), post("/orders", R"({"total":1.10})",
                           "Idempotency-Key: \"order 1\"\r\nCorrelation-Id: mine\r\n"
                           "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"));
  ASSERT_EQ(sagas.asked.size(), 1U);
  EXPECT_THAT(sagas.asked[0],
              StartsWith(R"(start place-order principal=gateway/front key=order 1 input={"total":1.10} )"));
  // What a client outside says of traces and transactions is not believed.
  EXPECT_THAT(sagas.asked[0], testing::Not(HasSubstr("0af7651916cd43dd8448eb211c80319c")));
  EXPECT_THAT(sagas.asked[0], HasSubstr("correlation= wait=5000ms"));
}

TEST(StartSaga, BelievesTrustedPeers) {
  saga::FakeSagas sagas;
  auto setup = running(sagas);
  setup.trusted = {"127.0.0.0/8"};
  ask(std::move(setup), post("/orders", "{}",
                             "Correlation-Id: mine\r\nX-Request-Timeout-Ms: 0\r\n"
                             "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"));
  ASSERT_EQ(sagas.asked.size(), 1U);
  EXPECT_THAT(sagas.asked[0], HasSubstr("trace=00-0af7651916cd43dd8448eb211c80319c-"));
  EXPECT_THAT(sagas.asked[0], HasSubstr("correlation=mine wait=0ms"));
}

TEST(StartSaga, AnswersProblemsAsTheApiDoes) {
  struct {
    saga::SagaProblem problem;
    int status;
    const char* reason;
  } const cases[] = {
      {{.reason = Reason::invalid, .detail = "$.total: expected a number"}, 422, "invalid"},
      {{.reason = Reason::key_reused}, 422, "key-reused"},
      {{.reason = Reason::conflict, .retry_after = 250ms}, 409, "conflict"},
      {{.reason = Reason::conflict, .status = 423}, 423, "conflict"},
      {{.reason = Reason::store_unavailable}, 503, "store-unavailable"},
      {{.reason = Reason::overloaded}, 503, "overloaded"},
  };
  for (const auto& c : cases) {
    saga::FakeSagas sagas;
    sagas.problem = c.problem;
    const Got got = ask(running(sagas), post("/orders", "{}"));
    EXPECT_THAT(got.bytes, StartsWith(fmt::format("HTTP/1.1 {} ", c.status)));
    EXPECT_TRUE(got.has(fmt::format("\r\nFlotilla-Error: {}\r\n", c.reason))) << got.bytes;
    EXPECT_TRUE(got.has("\r\nContent-Type: application/problem+json\r\n")) << got.bytes;
    EXPECT_TRUE(got.has(c.problem.detail)) << got.bytes;
    EXPECT_EQ(got.has("\r\nRetry-After: 1\r\n"), c.problem.retry_after > 0ms) << got.bytes;
  }
}

TEST(StartSaga, AsksNothingForABadRequest) {
  struct {
    std::string request;
    int status;
  } const cases[] = {
      {post("/orders", "{"), 400},
      {post("/orders", ""), 400},
      {get("/orders"), 400},
      {post("/orders", "{}", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"), 400},
      {post("/orders", '"' + std::string(saga::kMaxPayload, 'x') + '"'), 413},
  };
  for (const auto& c : cases) {
    saga::FakeSagas sagas;
    const Got got = ask(running(sagas), c.request);
    EXPECT_THAT(got.bytes, StartsWith(fmt::format("HTTP/1.1 {} ", c.status)));
    EXPECT_THAT(sagas.asked, ElementsAre());
  }
}

// The routes of a gateway whose list of routes is `yaml`, compiled; or its first error.
std::string compile(std::string_view yaml) {
  config::Problems problems;
  const std::string text = fmt::format("public:\n  listen: 127.0.0.1:0\n  routes:\n{}", yaml);
  const auto root = config::parse_document(text, {}, problems);
  if (!root) {
    return "not YAML";
  }
  const auto gateways = read_gateways(*root, "f", problems);
  if (!problems.empty()) {
    return problems.lines("f").front();
  }
  const Named named{.compositions = {}, .sagas = {"place-order", "refund"}};
  const auto gateway = compile_gateway(gateways.at(0), named, {}, 1, nullptr);
  if (!gateway) {
    return gateway.error().message;
  }
  const auto& route = (*gateway)->routes.at(0);
  const auto& action = std::get<SagaAction>(route.action);
  return fmt::format("{}: {}, {}ms", route.name, route.action_name, to_millis(action.wait));
}

TEST(StartSaga, IsConfiguredInBothForms) {
  EXPECT_EQ(compile("    - POST /orders: { saga: place-order, wait: 5s }\n"),
            "POST /orders: saga place-order, 5000ms");
  EXPECT_EQ(compile("    - POST /orders: { saga: place-order }\n"), "POST /orders: saga place-order, 0ms");
  EXPECT_EQ(
      compile(
          "    - match: { path: /orders, methods: [POST] }\n      saga: place-order\n      wait: 250ms\n"),
      "POST /orders: saga place-order, 250ms");
}

TEST(StartSaga, IsRefusedWithThePlaceAndAHint) {
  EXPECT_EQ(compile("    - POST /orders: { saga: place-ordr, wait: 5s }\n"),
            "f:4:29: no saga is named 'place-ordr'; did you mean 'place-order'?");
  EXPECT_EQ(compile("    - POST /orders: { saga: cancel-everything }\n"),
            "f:4:29: no saga is named 'cancel-everything'");
  EXPECT_THAT(compile("    - POST /orders: { saga: [place-order] }\n"), StartsWith("f:4:29: "));
  EXPECT_THAT(compile("    - POST /orders: { saga: place-order, wait: 61s }\n"), StartsWith("f:4:48: "));
  EXPECT_THAT(compile("    - POST /orders: { saga: place-order, wait: 5 }\n"), StartsWith("f:4:48: "));
  EXPECT_EQ(
      compile("    - POST /orders: { saga: place-order, only: [a] }\n"),
      "f:4:42: unknown action 'only'; known are proxy, compose, saga, command, view, respond, redirect");
}

}  // namespace
}  // namespace flotilla::gateway
