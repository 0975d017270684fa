// The order service: orders, and reservations of stock for the saga.
//
// POST /orders charges through the gateway, as any client would, so that breaker, retries and fallback of
// the payment service apply; an answer 202 means that the charge will be made later.
// A reservation released before it was made stays released: an undo may overtake a slow action.
#include <fmt/format.h>

#include "flotilla/http/client.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "roles.hpp"

namespace shop {
namespace {

using flotilla::json::Value;
using flotilla::net::Task;

constexpr std::string_view kOrders = "orders";
constexpr std::string_view kReservations = "reservations";
constexpr auto kChargeTimeout = std::chrono::seconds(10);  // the gateway's own timeout is shorter

Task<Answer> list_orders(Service& service, const Call& call) {
  const auto user = flotilla::http::query_value(call.query, "user_id");
  co_return user ? Answer{200, service.store().newest(kOrders, "user_id", *user)}
                 : refuse(422, "invalid", "say whose: /orders?user_id=123");
}

Task<Answer> get_order(Service& service, const Call& call) {
  const Value* order = service.store().find(kOrders, call.parameters[0]);
  co_return order == nullptr ? refuse(404, "not-found", "no such order") : Answer{200, *order};
}

struct Charged {
  std::string_view status;  // "paid", "pending", "refused" or "failed"
  Value message;
};

Task<Charged> charge(Service& service, const Call& call, const std::string& id, const Value& order) {
  if (!service.gateway()) {
    co_return Charged{"pending", "no gateway was named (--gateway), so nothing was charged"};
  }
  flotilla::http::Request request{
      .method = "POST", .target = "/charges", .headers = call.passed_on, .body = {}};
  request.headers.set("Content-Type", "application/json");
  request.headers.set("Idempotency-Key", "charge-" + id);
  request.body = flotilla::json::write(
      Value::object({{"order", id}, {"user_id", order["user_id"]}, {"amount", order["total"]}}));
  const auto response = co_await flotilla::http::fetch(
      service.loop(), *service.gateway(), service.gateway()->to_string(), std::move(request),
      {.deadline = flotilla::saturating_add(service.loop().now(), kChargeTimeout)});
  if (!response) {
    co_return Charged{"failed", response.error().message};
  }
  const auto body = flotilla::json::parse(response->body);
  const Value message = body ? (*body)["message"] : Value();
  if (response->status == 202) {
    co_return Charged{"pending", message};
  }
  if (response->status < 300) {
    co_return Charged{"paid", message};
  }
  co_return Charged{response->status == 402 ? "refused" : "failed",
                    body && message.is_null() ? (*body)["detail"] : message};
}

Task<Answer> create_order(Service& service, const Call& call) {
  const std::string user = text_of(call.body["user_id"]);
  if (user.empty() || !call.body["total"].is_number()) {
    co_return refuse(422, "invalid", R"(expected {"user_id": "123", "items": [..], "total": 99.99})");
  }
  const std::string id = fmt::format("o-{}", service.store().next_number());
  Value order = Value::object({{"order_id", id},
                               {"user_id", user},
                               {"items", call.body["items"]},
                               {"total", call.body["total"]},
                               {"status", "pending"}});
  service.store().put(kOrders, id, order);
  const Charged charged = co_await charge(service, call, id, order);
  order.set("status", charged.status);
  service.store().put(kOrders, id, order);
  Value answer = Value::object({{"order_id", id}, {"status", charged.status}});
  if (!charged.message.is_null()) {
    answer.set("message", charged.message);
  }
  const auto status = static_cast<std::uint16_t>(charged.status == "paid"      ? 201
                                                 : charged.status == "pending" ? 202
                                                 : charged.status == "refused" ? 402
                                                                               : 503);
  co_return Answer{status, answer};
}

Task<Answer> reserve(Service& service, const Call& call) {
  const std::string order = text_of(call.body["order"]);
  if (order.empty()) {
    co_return refuse(422, "invalid", R"(expected {"order": "o-1", "items": [..]})");
  }
  if (const Value* known = service.store().find(kReservations, order)) {
    co_return (*known)["state"] == Value("released")
        ? refuse(409, "released", "this order's reservation was released; it cannot be made again")
        : Answer{200, *known};
  }
  for (const Value& item : call.body["items"].items()) {
    if (item == Value("unobtainium") || item["sku"] == Value("unobtainium")) {
      co_return refuse(409, "out-of-stock", "there is no unobtainium");
    }
  }
  const Value row = Value::object({{"order", order}, {"items", call.body["items"]}, {"state", "reserved"}});
  service.store().put(kReservations, order, row);
  co_return Answer{201, row};
}

Task<Answer> release(Service& service, const Call& call) {
  const Value row = Value::object({{"order", call.parameters[0]}, {"state", "released"}});
  service.store().put(kReservations, call.parameters[0], row);
  co_return Answer{200, row};
}

void seed(Store& store) {
  const auto add = [&](std::string_view user, std::string_view item, std::string_view total) {
    const std::string id = fmt::format("o-{}", store.next_number());
    store.put(kOrders, id,
              Value::object({{"order_id", id},
                             {"user_id", user},
                             {"items", Value::array({item})},
                             {"total", Value::number(total)},
                             {"status", "paid"}}));
  };
  add("123", "teapot", "24.90");
  add("123", "kettle", "49.00");
  add("124", "mug", "8.50");
}

}  // namespace

Role order_role() {
  return {.name = "order",
          .routes = {{"GET", "/orders", &list_orders},
                     {"POST", "/orders", &create_order},
                     {"GET", "/orders/{id}", &get_order},
                     {"POST", "/reservations", &reserve},
                     {"DELETE", "/reservations/{order}", &release}},
          .seed = &seed};
}

}  // namespace shop
