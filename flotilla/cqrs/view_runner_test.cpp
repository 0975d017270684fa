// Views over a journal in memory: folding, going on after crashes, other folds, what stops them.
#include "flotilla/cqrs/view_runner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/view_rig.hpp"

namespace flotilla::cqrs {
namespace {

using test::json_of;
using test::Rig;

constexpr const char* kOrders =
    "user_orders: { from: [order.created, payment.success], key: .user_id, row: .order_id, "
    "fold: '(. // {}) + {id: $data.order_id, status: $event.type}' }";
constexpr const char* kTotals =
    "totals: { from: [order.created], key: .user_id, fold: '(. // 0) + $data.total' }";

std::string order(const std::string& user, const std::string& id, int total = 1) {
  return "{\"user_id\":\"" + user + "\",\"order_id\":\"" + id + "\",\"total\":" + std::to_string(total) + "}";
}

TEST(Views, FoldRowsAndWholes) {
  Rig rig;
  rig.publish("order.created", order("u1", "a", 5));  // before it was named
  rig.start(std::string(kOrders) + "\n" + kTotals);
  rig.run([&]() -> net::Task<> {
    rig.publish("order.created", order("u1", "b", 7));
    rig.publish("order.created", order("u2", "c"));
    rig.publish("payment.success", order("u1", "a"));
    auto got = co_await rig.fresh("user_orders/u1");
    EXPECT_EQ(got.body, R"([{"id":"a","status":"payment.success"},{"id":"b","status":"order.created"}])");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.headers.get("View-Position"), rig.journal.position().text());
    EXPECT_EQ(got.headers.get("View-Age"), "0");
    got = co_await rig.fresh("totals/u1");
    EXPECT_EQ(got.body, "12");
    got = co_await rig.fresh("totals/nobody");
    EXPECT_EQ(got.status, 404);
    EXPECT_EQ(got.headers.get("Flotilla-Error"), "not-found");
  });
}

TEST(Views, GoOnAfterACrash) {
  Rig rig;
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    rig.publish("order.created", order("u1", "a", 5));
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "5");
    for (int i = 0; i < 20; ++i) {
      rig.publish("order.created", order("u1", "a", 1));
      rig.crash();  // with whatever is under way
      rig.start(kTotals);
      if (i % 3 == 0) {
        EXPECT_EQ((co_await rig.fresh("totals/u1")).body, std::to_string(6 + i));
      }
    }
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "25");
    const auto shown = json_of(co_await rig.operate("GET", "/totals"));
    EXPECT_EQ(shown["events"], json::Value(21));
    EXPECT_EQ(shown["version"], json::Value(1));
  });
}

TEST(Views, AnotherFoldIsBuiltBesideAndTakesItsPlace) {
  Rig rig;
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    for (int i = 0; i < 300; ++i) {
      rig.publish("order.created", order("u1", "a", 2));
    }
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "600");
    rig.runner->replace(
        test::views("totals: { from: [order.created], key: .user_id, fold: '(. // 0) + 1' }"));
    std::string last = "600";
    for (int i = 0; last == "600" && i < 100'000; ++i) {  // the old one is read until the new one is whole
      last = (co_await rig.get("totals/u1")).body;
      co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(1));
    }
    EXPECT_EQ(last, "300");
    json::Value shown;
    for (int i = 0; i < 1000; ++i) {
      shown = json_of(co_await rig.operate("GET", "/totals"));
      if (shown["state"] == json::Value("live")) {
        break;
      }
      co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(1));
    }
    EXPECT_EQ(shown["version"], json::Value(2));
    EXPECT_TRUE(shown["building"].is_null());
    // Named no more, and again.
    rig.runner->replace({});
    EXPECT_EQ((co_await rig.get("totals/u1")).status, 404);
    rig.publish("order.created", order("u1", "a", 2));
    rig.runner->replace(
        test::views("totals: { from: [order.created], key: .user_id, fold: '(. // 0) + 1' }"));
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "301");
  });
}

TEST(Views, WhatWasSavedWhileAShellEndedIsNotReadFromMemory) {
  Rig rig;
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    const char* const other =
        "totals: { from: [order.created], key: .user_id, fold: '(. // 0) + $data.total + 0' }";
    for (int i = 1; i <= 30; ++i) {
      const auto position = rig.publish("order.created", order("u1", "a", 1));
      EXPECT_EQ((co_await rig.get("totals/u1?wait=10s", {{"Read-After", position.text()}})).body,
                std::to_string(2 * i - 1));
      const auto next = rig.publish("order.created", order("u1", "a", 1));
      rig.runner->replace(test::views(i % 2 == 0 ? kTotals : other));
      const auto got = co_await rig.get("totals/u1?wait=10s", {{"Read-After", next.text()}});
      EXPECT_EQ(got.body, std::to_string(2 * i)) << i;
      EXPECT_EQ(got.headers.get("View-Position"), next.text());
    }
  });
}

TEST(Views, AreBuiltAnewOnDemand) {
  Rig rig;
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    rig.publish("order.created", order("u1", "a", 2));
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "2");
    const auto asked = co_await rig.operate("POST", "/totals/rebuild", R"({"who":"me"})");
    EXPECT_EQ(asked.status, 200) << asked.body;
    for (int i = 0; i < 10'000; ++i) {
      const auto shown = json_of(co_await rig.operate("GET", "/totals"));
      if (shown["version"] == json::Value(2)) {
        break;
      }
      EXPECT_EQ((co_await rig.get("totals/u1")).body, "2");
      co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(1));
    }
    EXPECT_EQ(json_of(co_await rig.operate("GET", "/totals"))["version"], json::Value(2));
    EXPECT_EQ((co_await rig.operate("POST", "/none/rebuild")).status, 404);
    EXPECT_EQ((co_await rig.operate("GET", "/totals/rebuild")).status, 405);
    EXPECT_EQ((co_await rig.operate("POST", "/totals/rebuild", "[]")).status, 400);
  });
}

TEST(Views, StopAtAnEventThatTheyCannotFoldAndGoOnBeingRead) {
  Rig rig;
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    rig.publish("order.created", order("u1", "a", 2));
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "2");
    rig.publish("order.created", R"({"user_id":"u1","total":"many"})");
    const auto after = rig.publish("order.created", order("u1", "a", 3));
    const auto late = co_await rig.get("totals/u1?wait=50ms", {{"Read-After", after.text()}});
    EXPECT_EQ(late.status, 503);
    EXPECT_EQ(late.headers.get("Flotilla-Error"), "behind");
    EXPECT_TRUE(late.body.contains("cannot be folded: fold: ")) << late.body;
    const auto stale = co_await rig.get("totals/u1?wait=0ms&stale=ok", {{"Read-After", after.text()}});
    EXPECT_EQ(stale.body, "2");
    EXPECT_EQ(stale.headers.get("Stale"), "true");
    EXPECT_NE(stale.headers.get("View-Age"), "0");
    const auto shown = json_of(co_await rig.operate("GET", ""))["items"][0];
    EXPECT_EQ(shown["state"], json::Value("stopped"));
    EXPECT_TRUE(shown["failure"].as_string().contains("the event at position 0-2 cannot be folded"));
    // A fold that takes it is built beside, from the beginning.
    rig.runner->replace(
        test::views("totals: { from: [order.created], key: .user_id, fold: '(. // 0) + (try ($data.total + "
                    "0) catch 0)' }"));
    co_await rig.until([&] { return rig.runner->find("totals")->serving()->generation() == 2; });
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "5");
  });
}

TEST(Views, WhatTheJournalDoesNotTakeIsSavedLater) {
  Rig rig;
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    rig.publish("order.created", order("u1", "a", 2));
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "2");
    for (const Effect effect : {Effect::none, Effect::unknown}) {
      rig.publish("order.created", order("u1", "a", 2));
      rig.journal.break_appends(journal::StoreUnavailable{"the disk is full", effect});
      co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(20));
      rig.journal.break_appends(std::nullopt);
    }
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "6");
  });
}

}  // namespace
}  // namespace flotilla::cqrs
