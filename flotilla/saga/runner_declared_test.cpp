// What a definition declares beside its steps, as the runner holds to it: a key, schemas of answers,
// attributes to search by, and what is never shown.
#include <span>

#include <gtest/gtest.h>

#include "flotilla/saga/runner_fixture.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;
using test::always;
using test::kQuick;
using test::order;
using test::parsed;
using test::RunnerTest;
using test::steps_of;

TEST_F(RunnerTest, TakesNoStartWithoutTheKeyThatIsRequired) {
  open({built(std::move(order().require_key()))});
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::malformed);
  EXPECT_NE(refused.error().detail.find("Idempotency-Key"), std::string::npos);
  EXPECT_TRUE(start("k"));
}

TEST_F(RunnerTest, AnAnswerAgainstItsSchemaStopsTheSagaAndIsNotAskedForAgain) {
  const auto schema = parsed(R"({"type":"object","required":["paid"]})");
  open(
      {built(std::move(SagaBuilder("order")
                           .step(StepBuilder("charge")
                                     .action("POST shop/charges")
                                     .undo("POST shop/refunds")
                                     .retry(kQuick)
                                     .output_schema(schema))
                           .step(StepBuilder("ship").pivot().action("POST shop/shipments").retry(kQuick))))});
  services.when("POST /charges", always(200, R"({"status":"ok"})"));
  const auto got = start();
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, "suspended");
  EXPECT_EQ(steps_of(got->saga), "charge:done ship:idle ");
  EXPECT_EQ(json::write(got->saga.body["steps"][0]["output"]), R"({"status":"ok"})");
  EXPECT_EQ(got->saga.body["suspension"]["reason"].as_string(), "config");
  EXPECT_NE(got->saga.body["suspension"]["detail"].as_string().find("against its schema"), std::string::npos);
  const auto operate = [&](Verb verb) {
    return client.ask<Asked<SagaView>>([&] {
      return runner->operate({.saga = got->saga.id,
                              .verb = verb,
                              .step = {},
                              .who = "ada",
                              .why = "a test",
                              .expected_seq = {},
                              .payload = {},
                              .version = {}});
    });
  };
  // A person decides: on with the answer as it is.
  ASSERT_TRUE(operate(Verb::resume));
  wait_for_state(got->saga.id, "completed");
  EXPECT_EQ(services.got("POST /charges").size(), 1U);
  // Or back.
  const auto other = start();
  ASSERT_TRUE(other) << other.error().detail;
  ASSERT_TRUE(client.ask<Asked<SagaView>>([&] {
    return runner->operate({.saga = other->saga.id,
                            .verb = Verb::abort,
                            .step = {},
                            .who = "ada",
                            .why = "a test",
                            .expected_seq = {},
                            .payload = {},
                            .version = {}});
  }));
  wait_for_state(other->saga.id, "compensated");
  EXPECT_EQ(services.got("POST /refunds").size(), 1U);
  // One that keeps to it runs through.
  services.when("POST /charges", always(200, R"({"paid":true})"));
  EXPECT_EQ(start()->saga.state, "completed");
}

TEST_F(RunnerTest, IsFoundByWhatItsDefinitionDeclares) {
  open({built(std::move(order()
                            .search("order", ".input.id")
                            .search("user", ".input.user")
                            .search("all", ".input")
                            .search("wrong", ".input.id.x")))});
  ASSERT_TRUE(start("", R"({"id":7,"total":1,"user":"ada"})"));
  ASSERT_TRUE(start("", R"({"id":8,"total":1,"user":"ada"})"));
  ASSERT_TRUE(start("", json::write(json::Value::object(
                            {{"id", 9}, {"total", 1}, {"user", std::string(kMaxSearchText + 1, 'x')}}))));
  const auto found = [&](std::vector<std::pair<std::string, std::string>> search) {
    ListRequest request;
    request.search = std::move(search);
    const auto page = client.ask<Asked<SagaPage>>([&] { return runner->list(std::move(request)); });
    std::string all;
    for (const json::Value& item : page.value().items.items()) {
      all += json::write(item["search"]);
    }
    return all;
  };
  EXPECT_EQ(found({{"order", "7"}}), R"({"order":"7","user":"ada"})");
  EXPECT_EQ(found({{"user", "ada"}, {"order", "8"}}), R"({"order":"8","user":"ada"})");
  EXPECT_EQ(found({{"user", "bob"}}), "");
  EXPECT_EQ(found({{"order", "9"}}), R"({"order":"9"})");

  const auto counted = [&](CountRequest request) {
    const auto counts = client.ask<Asked<json::Value>>([&] { return runner->count(request); });
    return counts ? json::write(*counts) : counts.error().detail;
  };
  EXPECT_EQ(counted({.search = {{"user", "ada"}}}), R"([{"name":"order","state":"completed","count":2}])");
  EXPECT_EQ(counted({.name = "order"}), R"([{"name":"order","state":"completed","count":3}])");
  EXPECT_EQ(counted({.state = "running"}), "[]");
  EXPECT_EQ(counted({.state = "asleep"}), "no saga is ever 'asleep'");
}

TEST_F(RunnerTest, ShowsNothingThatIsDeclaredAsSecret) {
  open({built(std::move(order()
                            .redact(".input.card")
                            .redact(".steps.charge.token")
                            .redact(".steps.ship.id")
                            .redact(".result.shipment")))});
  services.when("POST /charges", always(201, R"({"token":"SECRET","id":"c"})"));
  services.when("POST /shipments", always(201, R"({"id":"SECRET"})"));
  const auto got = start("", R"({"id":7,"total":1,"card":"SECRET"})");
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, "completed");
  for (const bool timeline : {false, true}) {
    const std::string shown = json::write(show(got->saga.id, timeline)->body);
    EXPECT_EQ(shown.find("SECRET"), std::string::npos) << shown;
    EXPECT_NE(shown.find(R"("shipment":"[redacted]")"), std::string::npos) << shown;
  }
  EXPECT_EQ(json::write(got->saga.body).find("SECRET"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::saga
