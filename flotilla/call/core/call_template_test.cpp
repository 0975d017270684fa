#include "flotilla/call/core/call_template.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::call {
namespace {

json::Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : json::Value();
}

// The rendered call, or why there is none ("request: ..." or "answer: ...").
std::string render(std::string_view text, std::string_view path = "{}", std::string_view input = "{}",
                   std::string_view query = "{}") {
  const auto call = CallTemplate::parse(text);
  if (!call) {
    return call.error().message;
  }
  const json::Value none;
  const json::Value in = parsed(input);
  const json::Value path_value = parsed(path);
  const json::Value query_value = parsed(query);
  const auto target = call->render({in, path_value, query_value, none, none});
  if (!target) {
    return (target.error().cause == RenderFault::Cause::request ? "request: " : "answer: ") +
           target.error().message;
  }
  return call->method() + " " + call->service().value() + " " + *target;
}

TEST(CallTemplate, Targets) {
  EXPECT_EQ(render("GET user-service"), "GET user-service /");
  EXPECT_EQ(render("GET user-service/"), "GET user-service /");
  EXPECT_EQ(render("GET  user-service/users/{id}", R"({"id":"42"})"), "GET user-service /users/42");
  EXPECT_EQ(render("GET order-service/orders?user_id={id}", R"({"id":"42"})"),
            "GET order-service /orders?user_id=42");
  EXPECT_EQ(render("POST s?x=1"), "POST s /?x=1");
  EXPECT_EQ(render("GET s/a%20b/{id}.json?x=%20&y", R"({"id":"7"})"), "GET s /a%20b/7.json?x=%20&y");
  EXPECT_EQ(
      render("DELETE order-service/reservations/{.input.order_id}", "{}", R"({"input":{"order_id":"o1"}})"),
      "DELETE order-service /reservations/o1");
  EXPECT_EQ(render("GET s/{.a}/{.b}/{.c}", "{}", R"({"a":9007199254740993,"b":1.10,"c":false})"),
            "GET s /9007199254740993/1.10/false");
  EXPECT_EQ(render("GET s/x?page={$query.page}", "{}", "{}", R"({"page":"2"})"), "GET s /x?page=2");
}

TEST(CallTemplate, AValueFillsItsPlaceAndNoMore) {
  EXPECT_EQ(render("GET s/u/{id}/x", R"({"id":"a/../b?c#d e%2F\u00e9"})"),
            "GET s /u/a%2F..%2Fb%3Fc%23d%20e%252F%C3%A9/x");
  EXPECT_EQ(render("GET s/u?id={id}&y=1", R"({"id":"1&admin=true#x y+z"})"),
            "GET s /u?id=1%26admin%3Dtrue%23x%20y%2Bz&y=1");
  EXPECT_EQ(render("GET s/u/{id}", R"({"id":"..."})"), "GET s /u/...");
  EXPECT_EQ(render("GET s/u/{id}", R"({"id":"a\r\nHost: x"})"), "GET s /u/a%0D%0AHost%3A%20x");
}

TEST(CallTemplate, NothingIsSentForAValueThatAddressesSomethingElse) {
  EXPECT_EQ(render("GET s/u/{id}"), "request: {id} is null; nothing was sent");
  EXPECT_EQ(render("GET s/u/{id}", R"({"id":""})"), "request: {id} is empty; nothing was sent");
  EXPECT_EQ(render("GET s/u/{id}", R"({"id":"."})"),
            "request: {id} is '.', which is no segment of a path; nothing was sent");
  EXPECT_EQ(render("GET s/u/{id}/x", R"({"id":".."})"),
            "request: {id} is '..', which is no segment of a path; nothing was sent");
  EXPECT_EQ(render("GET s/u/.{id}/x", R"({"id":"."})"),
            "request: {id} is '.', which is no segment of a path; nothing was sent");
  EXPECT_EQ(render("GET s/u/{id}", R"({"id":"a\u0000b"})"),
            "request: {id} has a zero byte; nothing was sent");
  EXPECT_EQ(render("GET s/u?id={.user.id}"), "answer: {.user.id} is null; nothing was sent");
  EXPECT_EQ(render("GET s/u?id={.id}", "{}", R"({"id":""})"), "answer: {.id} is empty; nothing was sent");
  EXPECT_EQ(render("GET s/u?id={.id}", "{}", R"({"id":".."})"), "GET s /u?id=..");
  EXPECT_EQ(render("GET s/u/{.id}", "{}", R"({"id":{"a":1}})"),
            "answer: {.id} is an object where a string or number belongs; nothing was sent");
  EXPECT_EQ(render("GET s/u/{.id}", "{}", R"({"id":[1]})"),
            "answer: {.id} is an array where a string or number belongs; nothing was sent");
  EXPECT_EQ(render("GET s/u/{$query.id}"), "request: {$query.id} is null; nothing was sent");
  EXPECT_TRUE(render("GET s/u/{.id.x}", "{}", R"({"id":"a"})").starts_with("answer: {.id.x} fails: "));
  const std::string longest(kMaxTargetBytes, 'a');
  EXPECT_TRUE(render("GET s/{id}", R"({"id":")" + longest + "\"}")
                  .starts_with("request: the path and query have 8193 bytes"));
}

TEST(CallTemplate, Errors) {
  EXPECT_EQ(
      render("user-service/users"),
      "call 'user-service/users', column 1: write METHOD service/path, as in GET user-service/users/{id}");
  EXPECT_EQ(render("get s/x"),
            "call 'get s/x', column 1: write METHOD service/path, as in GET user-service/users/{id}");
  EXPECT_EQ(render("GET"),
            "call 'GET', column 4: the name of a service belongs here, as in GET user-service/users/{id}");
  EXPECT_EQ(
      render("GET /users"),
      "call 'GET /users', column 5: the name of a service belongs here, as in GET user-service/users/{id}");
  EXPECT_EQ(
      render("GET {name}/x"),
      "call 'GET {name}/x', column 5: the name of a service belongs here, as in GET user-service/users/{id}");
  EXPECT_EQ(render("GET s:80/x"),
            "call 'GET s:80/x', column 6: a service's name is letters, digits, '-', '_' and '.', and a '/' "
            "ends it");
  EXPECT_EQ(render("GET s/x{id"), "call 'GET s/x{id', column 8: this '{' is never closed");
  EXPECT_EQ(render("GET s/a/../b"), "call 'GET s/a/../b', column 6: write the path in its normal form: /b");
  EXPECT_EQ(render("GET s/a b"), "call 'GET s/a b', column 6: write the path in its normal form: /a%20b");
  EXPECT_EQ(render("GET s//{id}"), "call 'GET s//{id}', column 6: write the path in its normal form: /x");
  EXPECT_EQ(render("GET s/a#b"),
            "call 'GET s/a#b', column 6: not a path: look for '#', control characters and '%'");
  EXPECT_EQ(render("GET s/a?b c"), "call 'GET s/a?b c', column 10: percent-encode this character in a query");
}

TEST(CallTemplate, NamesItsParameters) {
  const auto call = CallTemplate::parse("GET s/{a}/{.x}/{b}?c={c}&d={$query.d}");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->parameters(), (std::vector<std::string_view>{"a", "b", "c"}));
}

TEST(TextTemplate, RendersWithoutEncoding) {
  const json::Value path = parsed(R"({"id":"a b/c","bad":"x\r\ny"})");
  const json::Value none;
  const auto render_text = [&](std::string_view text) {
    const auto parsed_text = TextTemplate::parse(text);
    const auto rendered = parsed_text->render({none, path, none, none, none});
    return rendered ? *rendered : rendered.error().message;
  };
  EXPECT_EQ(render_text("order:{id}"), "order:a b/c");
  EXPECT_EQ(render_text("order:{none}"), "{none} is null; nothing was sent");
  EXPECT_EQ(render_text("{bad}"), "{bad} has a control character; nothing was sent");
}

}  // namespace
}  // namespace flotilla::call
