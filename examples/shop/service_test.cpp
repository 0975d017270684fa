#include "service.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/net/scope.hpp"
#include "roles.hpp"

namespace shop {
namespace {

using flotilla::http::Request;
using flotilla::http::Response;
using flotilla::json::Value;
using flotilla::net::Loop;
using flotilla::net::Scope;
using flotilla::net::Task;
using namespace std::chrono_literals;

class ShopService : public testing::Test {
 protected:
  void be(std::string_view role) {
    auto loop = Loop::create();
    ASSERT_TRUE(loop.has_value());
    loop_ = std::move(*loop);
    service_ = std::make_unique<Service>(*loop_, *find_role(role), "test", *Store::open(""), std::nullopt);
  }

  Response ask(std::string method, std::string target, std::string body = "", std::string key = "") {
    Request request{
        .method = std::move(method), .target = std::move(target), .headers = {}, .body = std::move(body)};
    if (!key.empty()) {
      request.headers.add("Idempotency-Key", key);
    }
    Response response;
    Scope scope;
    const auto main = [](ShopService& self, Request asked, Response& into) -> Task<> {
      into = co_await self.service_->handle(std::move(asked));
      self.loop_->stop();
    };
    loop_->post([&] { scope.spawn(main(*this, std::move(request), response)); });
    loop_->run();
    return response;
  }
  static Value body_of(const Response& response) { return *flotilla::json::parse(response.body); }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Service> service_;
};

TEST_F(ShopService, AnswersWhatTheGuideAsks) {
  be("user");
  EXPECT_EQ(body_of(ask("GET", "/users/123"))["name"], Value("Alice"));
  EXPECT_EQ(ask("GET", "/users/999").status, 404);
  EXPECT_EQ(ask("GET", "/health").status, 200);
  EXPECT_EQ(ask("POST", "/users/123").status, 405);
  EXPECT_EQ(ask("GET", "/users/123/orders").status, 404);
  EXPECT_EQ(ask("POST", "/users/1", "{").status, 400);
}

TEST_F(ShopService, ReplaysTheFirstAnswerOfAnIdempotencyKey) {
  be("notification");
  const std::string first = R"({"user": "125", "text": "one"})";
  EXPECT_EQ(ask("POST", "/notifications", first, "k").status, 201);
  EXPECT_EQ(ask("POST", "/notifications", first, "k").status, 201);
  EXPECT_EQ(body_of(ask("GET", "/notifications?user_id=125")).size(), 1U);
  const Response reused = ask("POST", "/notifications", R"({"user": "125", "text": "two"})", "k");
  EXPECT_EQ(reused.status, 422);
  EXPECT_EQ(body_of(reused)["error"], Value("key-reused"));
  EXPECT_EQ(ask("POST", "/notifications", first, "another").status, 201);
  EXPECT_EQ(body_of(ask("GET", "/notifications?user_id=125")).size(), 2U);
}

TEST_F(ShopService, ChargesAnOrderOnceAndRefusesWhatTheCardDoesNotCarry) {
  be("payment");
  const std::string charge = R"({"order": "o-9", "user_id": 124, "amount": 10.50})";
  EXPECT_EQ(ask("POST", "/charges", charge).status, 201);
  EXPECT_EQ(ask("POST", "/charges", charge).status, 200);
  EXPECT_EQ(body_of(ask("GET", "/charges/by-order/o-9"))["amount"].number_text(), "10.50");
  EXPECT_EQ(ask("POST", "/charges", R"({"order": "o-10", "amount": 10001})").status, 402);
  EXPECT_EQ(ask("GET", "/charges/by-order/o-10").status, 404);
  EXPECT_EQ(ask("POST", "/charge", R"({"amount": 99.99})").status, 200);
  EXPECT_EQ(ask("POST", "/charge", "").status, 422);
}

TEST_F(ShopService, ChargesWhatAnEventOrders) {
  be("payment");
  const std::string created = R"({"order_id": "o-9", "user_id": "124", "items": ["mug"], "total": 10.50})";
  const Response charged = ask("POST", "/events/order-created", created);
  EXPECT_EQ(charged.status, 201);
  EXPECT_EQ(body_of(charged)["order_id"], Value("o-9"));
  EXPECT_EQ(body_of(charged)["user_id"], Value("124"));
  const Response again = ask("POST", "/events/order-created", created);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(body_of(again), body_of(charged));
  EXPECT_EQ(ask("POST", "/events/order-created", R"({"order_id": "o-10", "user_id": "124", "total": 10001})")
                .status,
            402);
}

TEST_F(ShopService, NotesWhatEventsSayOfAnOrderInWhateverOrderTheyCome) {
  const std::string created = R"({"order_id": "o-9", "user_id": "124", "items": ["mug"], "total": 10.50})";
  const std::string told = R"({"order_id": "o-9", "user_id": "124"})";
  const auto status = [&] { return body_of(ask("GET", "/orders/o-9"))["status"]; };
  be("order");
  EXPECT_EQ(ask("POST", "/events/order-created", created).status, 200);
  EXPECT_EQ(status(), Value("pending"));
  EXPECT_EQ(ask("POST", "/events/payment-failed", told).status, 200);
  EXPECT_EQ(status(), Value("cancelled"));
  be("order");
  EXPECT_EQ(ask("POST", "/events/payment-success", told).status, 200);
  EXPECT_EQ(ask("POST", "/events/order-created", created).status, 200);
  EXPECT_EQ(status(), Value("paid"));
  EXPECT_EQ(body_of(ask("GET", "/orders/o-9"))["total"].number_text(), "10.50");
  EXPECT_EQ(ask("POST", "/events/order-created", "{}").status, 422);
}

TEST_F(ShopService, AnUndoThatOvertakesItsActionWins) {
  be("payment");
  EXPECT_EQ(ask("POST", "/refunds", R"({"order": "o-9"})").status, 200);
  EXPECT_EQ(ask("POST", "/charges", R"({"order": "o-9", "amount": 1})").status, 409);
  be("order");
  EXPECT_EQ(ask("DELETE", "/reservations/o-9").status, 200);
  EXPECT_EQ(ask("POST", "/reservations", R"({"order": "o-9", "items": []})").status, 409);
}

TEST_F(ShopService, PutsTheBarrierBeforeTheStepsOfASaga) {
  be("payment");
  const auto key = [](std::string_view saga, char op) {
    return "\"sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6" + std::string(saga) + "-1-" + op + "-mac\"";
  };
  const std::string charge = R"({"order": "o-9", "amount": 1})";
  const std::string refund = R"({"order": "o-9"})";
  // As it should be; each of them twice.
  EXPECT_EQ(ask("POST", "/charges", charge, key("A", 'a')).status, 201);
  EXPECT_EQ(ask("POST", "/charges", charge, key("A", 'a')).status, 201);
  EXPECT_EQ(ask("POST", "/charges", refund, key("A", 'a')).status, 422);
  EXPECT_EQ(ask("POST", "/refunds", refund, key("A", 'c')).status, 200);
  EXPECT_EQ(body_of(ask("POST", "/refunds", refund, key("A", 'c')))["status"], Value("refunded"));
  // The undo first: nothing is refunded, and the charge comes too late.
  const std::string other = R"({"order": "o-8", "amount": 1})";
  const Response none = ask("POST", "/refunds", other, key("B", 'c'));
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.headers.get("Saga-Outcome"), "null-undo");
  EXPECT_EQ(ask("POST", "/refunds", other, key("B", 'c')).headers.get("Saga-Outcome"), "null-undo");
  const Response late = ask("POST", "/charges", other, key("B", 'a'));
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(late.headers.get("Saga-Outcome"), "refused");
  EXPECT_EQ(ask("GET", "/charges/by-order/o-8").status, 404);
  // A refusal lasts, and needs no undo.
  const std::string dear = R"({"order": "o-7", "amount": 10001})";
  EXPECT_EQ(ask("POST", "/charges", dear, key("C", 'a')).status, 402);
  const Response again = ask("POST", "/charges", dear, key("C", 'a'));
  EXPECT_EQ(again.status, 402);
  EXPECT_EQ(again.headers.get("Saga-Outcome"), "refused");
  EXPECT_EQ(ask("POST", "/refunds", dear, key("C", 'c')).headers.get("Saga-Outcome"), "null-undo");
  // What is not definite is kept for nobody.
  ask("POST", "/_control", R"({"fail_rate": 1, "status": 503})");
  EXPECT_EQ(ask("POST", "/charges", R"({"order": "o-6", "amount": 1})", key("D", 'a')).status, 503);
  ask("POST", "/_control", "{}");
  EXPECT_EQ(ask("POST", "/charges", R"({"order": "o-6", "amount": 1})", key("D", 'a')).status, 201);
}

TEST_F(ShopService, OrderWithoutAGatewayStaysPending) {
  be("order");
  const Response created = ask("POST", "/orders", R"({"user_id": 125, "items": ["mug"], "total": 8.50})");
  EXPECT_EQ(created.status, 202);
  EXPECT_EQ(body_of(ask("GET", "/orders?user_id=125"))[0]["status"], Value("pending"));
}

TEST_F(ShopService, MonolithAnswersForItsParts) {
  be("monolith");
  EXPECT_EQ(ask("GET", "/users/123").status, 200);
  EXPECT_EQ(body_of(ask("GET", "/orders?user_id=123")).size(), 2U);
  EXPECT_EQ(body_of(ask("GET", "/payments?user_id=123")).size(), 2U);
}

TEST_F(ShopService, FailsAsOrderedButStaysHealthy) {
  be("user");
  EXPECT_EQ(ask("POST", "/_control", R"({"fail_rate": 1, "status": 503})").status, 200);
  EXPECT_EQ(ask("GET", "/users/123").status, 503);
  EXPECT_EQ(ask("GET", "/health").status, 200);
  EXPECT_EQ(ask("POST", "/_control", R"({"fail_rate": 2})").status, 422);
  EXPECT_EQ(ask("POST", "/_control", R"({"dely_ms": 2})").status, 422);
  EXPECT_EQ(ask("GET", "/users/123").status, 503);  // a wrong order changes nothing
  EXPECT_EQ(ask("POST", "/_control", "{}").status, 200);
  EXPECT_EQ(ask("GET", "/users/123").status, 200);
}

TEST_F(ShopService, HangsUntilToldOtherwise) {
  be("user");
  Response late;
  Scope scope;
  const auto main = [](Loop& loop, Service& service, Response& into) -> Task<> {
    into = co_await service.handle({.target = "/users/123", .headers = {}, .body = {}});
    loop.stop();
  };
  EXPECT_TRUE(service_->fault().order(Value::object({{"hang", true}})).has_value());
  loop_->post([&] {
    scope.spawn(main(*loop_, *service_, late));
    EXPECT_EQ(scope.size(), 1U);
    EXPECT_TRUE(service_->fault().order(Value::object({})).has_value());
  });
  loop_->run();
  EXPECT_EQ(late.status, 200);
}

}  // namespace
}  // namespace shop
