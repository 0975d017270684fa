// The action `view` over a socket: what a view says, as the application API says it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/view_rig.hpp"
#include "flotilla/gateway/gateway_config_reader.hpp"
#include "flotilla/gateway/gateway_fixture.hpp"

namespace flotilla::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kOrders = "user_orders: { from: [placed], key: .user, row: .id, fold: $data.n }";

Rig::Setup reading(cqrs::ViewReader& reader, std::string path, std::optional<Text> key) {
  return {.script = always(answer(200, "")),
          .action = ViewConfig{.view = "user_orders", .key = std::move(key), .where = "f:1:1"},
          .path = std::move(path),
          .named = {.compositions = {}, .sagas = {}, .views = {"user_orders"}},
          .views = &reader};
}

// What a gateway answers to each request, over a view with some rows, on the gateway's loop.
std::vector<Got> ask(std::string path, std::optional<Text> key, const std::vector<std::string>& requests) {
  cqrs::test::Rig views;
  views.runner = std::make_unique<cqrs::ViewRunner>(views.journal);
  views.reader = std::make_unique<cqrs::ViewReader>(*views.runner);
  views.publish("placed", R"({"user":"a b","id":"o1","n":1})");
  views.publish("placed", R"({"user":"a b","id":"o2","n":2})");
  std::vector<Got> got;
  Rig rig(reading(*views.reader, std::move(path), std::move(key)));
  rig.run([&](Rig& r) -> net::Task<> {
    views.runner->start(cqrs::test::views(kOrders), {&r.loop()});
    for (const std::string& request : requests) {
      got.push_back(co_await r.ask(request));
    }
    views.runner->stop();
  });
  return got;
}

std::string get(const std::string& target, const std::string& fields = "Read-After: 0-2\r\n") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields + "\r\n";
}

TEST(ReadView, AnswersWhatStandsUnderTheKey) {
  const auto got =
      ask("/users/{user_id}/orders", Text{"{user_id}", "f:1:1"},
          {get("/users/a%20b/orders"), get("/users/a%20b/orders?limit=1"), get("/users/c/orders"),
           get("/users/a%20b/orders", "Read-After: 0-9\r\n"), get("/users/c/orders?wait=1"),
           "POST /users/c/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"});
  ASSERT_EQ(got.size(), 6U);
  EXPECT_THAT(got[0].bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(got[0].body(), "[1,2]");
  EXPECT_TRUE(got[0].has("\r\nView-Position: 0-2\r\n")) << got[0].bytes;
  EXPECT_TRUE(got[0].has("\r\nContent-Type: application/json\r\n")) << got[0].bytes;
  EXPECT_EQ(got[1].body(), "[1]");
  EXPECT_TRUE(got[1].has("\r\nView-Next: ")) << got[1].bytes;
  EXPECT_THAT(got[2].bytes, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(got[3].bytes, StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(got[3].has("\r\nFlotilla-Error: behind\r\n")) << got[3].bytes;
  EXPECT_THAT(got[4].bytes, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(got[5].bytes, StartsWith("HTTP/1.1 405 "));
}

TEST(ReadView, AnswersAHotKeyFromMemoryAndSaysWhetherItIsStillTheSame) {
  const auto got = ask(
      "/users/{user_id}/orders", Text{"{user_id}", "f:1:1"},
      {get("/users/a%20b/orders"), get("/users/a%20b/orders", ""),
       get("/users/a%20b/orders", "If-None-Match: *\r\n"),
       get("/users/a%20b/orders", "If-None-Match: \"x\"\r\n"),
       get("/users/a%20b/orders", "Read-After: 0-9\r\n"), "HEAD" + get("/users/a%20b/orders", "").substr(3)});
  ASSERT_EQ(got.size(), 6U);
  EXPECT_EQ(got[1].body(), "[1,2]");
  EXPECT_TRUE(got[1].has("\r\nView-Position: 0-2\r\n")) << got[1].bytes;
  EXPECT_TRUE(got[1].has("\r\nETag: \"")) << got[1].bytes;
  EXPECT_THAT(got[2].bytes, StartsWith("HTTP/1.1 304 "));
  EXPECT_TRUE(got[2].has("\r\nETag: \"")) << got[2].bytes;
  EXPECT_EQ(got[2].body(), "");
  EXPECT_EQ(got[3].body(), "[1,2]");
  EXPECT_THAT(got[4].bytes, StartsWith("HTTP/1.1 503 "));  // memory does not answer what it cannot know
  EXPECT_THAT(got[5].bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(got[5].body(), "");
}

TEST(ReadView, GivesRowsAPageAtATimeWithoutAKey) {
  const auto got = ask("/orders", std::nullopt, {get("/orders?limit=1")});
  EXPECT_THAT(std::string(got[0].body()),
              StartsWith(R"({"items":[{"key":"a b","row":"o1","value":1}],"next":")"));
}

// The first problem of a gateway with this route, or nothing.
std::string compile(const std::string& route) {
  config::Problems problems;
  const auto root =
      config::parse_document("public:\n  listen: 127.0.0.1:0\n  routes:\n" + route, {}, problems);
  const auto gateways = read_gateways(*root, "f", problems);
  if (!problems.empty()) {
    return problems.lines("f").front();
  }
  const auto gateway = compile_gateway(
      gateways.front(), {.compositions = {}, .sagas = {}, .views = {"user_orders"}}, {}, 1, nullptr);
  return gateway ? "" : gateway.error().message;
}

TEST(ReadView, IsRefusedWithThePlaceAndAHint) {
  EXPECT_EQ(compile("    - GET /u/{id}: { view: user_orders, key: \"{id}\" }\n"), "");
  EXPECT_EQ(compile("    - GET /u: { view: user_orders }\n"), "");
  EXPECT_EQ(compile("    - GET /u/{id}: { view: user_order, key: \"{id}\" }\n"),
            "f:4:28: no view is named 'user_order'; did you mean 'user_orders'?");
  EXPECT_THAT(compile("    - GET /u/{id}: { view: user_orders, key: \"{id\" }\n"), StartsWith("f:4:46: "));
  EXPECT_THAT(compile("    - GET /u/{id}: { view: user_orders, key: \"{$query.id}\" }\n"),
              HasSubstr("f:4:46: an expression in the key of a view is not in this build yet"));
  EXPECT_EQ(compile("    - GET /u/{id}: { view: user_orders, key: \"{user}\" }\n"),
            "f:4:46: '{user}' is no parameter of /u/{id}");
  EXPECT_THAT(compile("    - GET /u/{id}: { view: [a], key: \"{id}\" }\n"), StartsWith("f:4:28: "));
}

}  // namespace
}  // namespace flotilla::gateway
