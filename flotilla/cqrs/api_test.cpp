// The application API of views.
#include "flotilla/cqrs/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/view_rig.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

using test::json_of;
using test::Rig;

constexpr const char* kOrders =
    "orders: { from: [placed], key: .user, row: .id, fold: 'if $data.gone then null else $data.n end' }";

std::string placed(const std::string& user, const std::string& id, int n) {
  return "{\"user\":\"" + user + "\",\"id\":\"" + id + "\",\"n\":" + std::to_string(n) + "}";
}

TEST(ViewApi, SaysThatAnAnswerIsStillTheSame) {
  Rig rig;
  rig.start(kOrders);
  rig.run([&]() -> net::Task<> {
    rig.publish("placed", placed("a", "o1", 1));
    const auto first = co_await rig.fresh("orders/a");
    const std::string etag(first.headers.get("ETag").value_or(""));
    EXPECT_EQ(etag.size(), 34U) << etag;
    EXPECT_EQ(first.headers.get("Cache-Control"), "no-cache");
    for (const std::string& asked : {etag, "\"x\", W/" + etag, std::string("*")}) {
      const auto same = co_await rig.get("orders/a", {{"If-None-Match", asked}});  // from memory
      EXPECT_EQ(same.status, 304) << asked;
      EXPECT_EQ(same.body, "");
      EXPECT_EQ(same.headers.get("ETag"), etag);
      EXPECT_EQ(same.headers.get("View-Position"), first.headers.get("View-Position"));
      EXPECT_FALSE(same.headers.contains("Content-Type"));
    }
    EXPECT_EQ((co_await rig.get("orders/a", {{"If-None-Match", "\"x\""}})).status, 200);
    rig.publish("placed", placed("b", "o1", 1));  // of no concern to this key
    EXPECT_EQ((co_await rig.get("orders/a",
                                {{"If-None-Match", etag}, {"Read-After", rig.journal.position().text()}}))
                  .status,
              304);
    rig.publish("placed", placed("a", "o1", 2));
    const auto other = co_await rig.get(
        "orders/a", {{"If-None-Match", etag}, {"Read-After", rig.journal.position().text()}});
    EXPECT_EQ(other.status, 200);
    EXPECT_EQ(other.body, "[2]");
    EXPECT_NE(other.headers.get("ETag"), etag);
    EXPECT_FALSE((co_await rig.get("orders?limit=1")).headers.contains("ETag"));
    EXPECT_EQ((co_await rig.get("orders/nobody", {{"If-None-Match", "*"}})).status, 404);
  });
}

TEST(ViewApi, GivesRowsAPageAtATime) {
  Rig rig;
  rig.start(kOrders);
  rig.run([&]() -> net::Task<> {
    for (int i = 0; i < 7; ++i) {
      rig.publish("placed", placed(i < 5 ? "a b" : "c", "o" + std::to_string(i), i));
    }
    EXPECT_EQ((co_await rig.fresh("orders/a%20b")).body, "[0,1,2,3,4]");
    auto page = co_await rig.get("orders/a%20b?limit=3");
    EXPECT_EQ(page.body, "[0,1,2]");
    page = co_await rig.get("orders/a%20b?limit=3&after=" + std::string(*page.headers.get("View-Next")));
    EXPECT_EQ(page.body, "[3,4]");
    EXPECT_FALSE(page.headers.contains("View-Next"));
    page = co_await rig.get("orders?limit=4");
    EXPECT_EQ(json_of(page)["items"].size(), 4U);
    EXPECT_EQ(json::write(json_of(page)["items"][0]), R"({"key":"a b","row":"o0","value":0})");
    page = co_await rig.get("orders?after=" + std::string(json_of(page)["next"].as_string()));
    EXPECT_EQ(page.body, R"({"items":[{"key":"a b","row":"o4","value":4},{"key":"c","row":"o5","value":5},)"
                         R"({"key":"c","row":"o6","value":6}],"next":null})");
    // The last row of a key goes, and the key with it.
    rig.publish("placed", R"({"user":"c","id":"o5","gone":true})");
    EXPECT_EQ((co_await rig.fresh("orders/c")).body, "[6]");
    rig.publish("placed", R"({"user":"c","id":"o6","gone":true})");
    EXPECT_EQ((co_await rig.fresh("orders/c")).status, 404);
  });
}

TEST(ViewApi, AnswersHotKeysFromMemoryAndNeverOldOnes) {
  Rig rig;
  rig.start(kOrders);
  rig.run([&]() -> net::Task<> {
    for (int i = 0; i < 50; ++i) {
      rig.publish("placed", placed("u", "o", i));
      EXPECT_EQ((co_await rig.fresh("orders/u")).body, "[" + std::to_string(i) + "]");
      EXPECT_EQ((co_await rig.get("orders/u")).body, "[" + std::to_string(i) + "]");
    }
    const ReadCounters& reads = rig.runner->find("orders")->reads();
    EXPECT_EQ(reads.from_memory.load(), 50U);
    EXPECT_EQ(reads.from_store.load(), 50U);
  });
}

TEST(ViewApi, WaitsForWhatTheReaderWrote) {
  Rig rig;
  rig.start(kOrders);
  rig.run([&]() -> net::Task<> {
    rig.publish("placed", placed("u", "o", 1));
    // Also for positions of what the view does not fold: a saga, another topic.
    const auto other = rig.publish("another.topic", "{}");
    const auto got = co_await rig.get("orders/u", {{"Read-After", other.text()}});
    EXPECT_EQ(got.status, 200) << got.body;
    EXPECT_EQ(got.body, "[1]");
    EXPECT_EQ(got.headers.get("View-Position"), other.text());
    const auto ahead = co_await rig.get("orders/u?wait=0ms", {{"Read-After", "0-99"}});
    EXPECT_EQ(ahead.status, 503);
    EXPECT_EQ(ahead.headers.get("Flotilla-Error"), "behind");
    EXPECT_EQ(ahead.headers.get("Retry-After"), "1");
    EXPECT_TRUE(ahead.body.contains("the journal has not come to 0-99")) << ahead.body;
  });
}

TEST(ViewApi, RefusesWhatItCannotRead) {
  Rig rig;
  rig.start(kOrders);
  rig.run([&]() -> net::Task<> {
    rig.publish("placed", placed("u", "o", 1));
    (void)co_await rig.fresh("orders/u");
    struct {
      const char* target;
      const char* after;
      int status;
    } const cases[] = {
        {"none/u", "", 404},          {"orders/u/v", "", 404},        {"orders/", "", 404},
        {"orders/%zz", "", 400},      {"orders/u?limit=0", "", 400},  {"orders/u?limit=1001", "", 400},
        {"orders/u?wait=1", "", 400}, {"orders/u?wait=11s", "", 400}, {"orders/u?stale=no", "", 400},
        {"orders?after=!", "", 400},  {"orders/u", "x", 400},         {"orders/u", "3-1", 400}};
    for (const auto& c : cases) {
      http::Fields fields;
      if (*c.after != 0) {
        fields.add("Read-After", c.after);
      }
      EXPECT_EQ((co_await rig.get(c.target, fields)).status, c.status) << c.target << " " << c.after;
    }
    Api api(*rig.reader);
    EXPECT_EQ(
        (co_await api.handle({.method = "POST", .target = "/v1/views/orders/u", .headers = {}, .body = {}},
                             net::SocketAddress()))
            .status,
        405);
    EXPECT_TRUE(Api::serves("/v1/views"));
    EXPECT_TRUE(Api::serves("/v1/views/a?b"));
    EXPECT_FALSE(Api::serves("/v1/viewsx"));
  });
}

}  // namespace
}  // namespace flotilla::cqrs
