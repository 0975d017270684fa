// The order service: orders, and reservations of stock for the saga.
//
// In the demo an order is the saga `place-order`. A reservation that says whose it is, is the order that the
// customer sees; releasing it cancels that order. A reservation released before it was made stays released:
// an undo may overtake a slow action. POST /orders is the way without a saga: it charges through the gateway,
// as any client would, so that breaker, retries and fallback of the payment service apply; an answer 202
// means that the charge will be made later. Its order's id comes from the client's Idempotency-Key and names
// the charge. So a client that does not know what became of its order (503, a crash, no answer) repeats it
// and gets the same order, charged once.
#include <random>

#include <fmt/format.h>

#include "flotilla/base/sha256.hpp"
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

// Without a key, one that no process has given before, also not one that kept nothing.
std::string order_id(const Call& call, std::string_view user) {
  if (call.idempotency_key.empty()) {
    std::random_device device;
    return fmt::format("o-{:08x}{:08x}", device(), device());
  }
  const auto digest = flotilla::sha256(fmt::format("{}\n{}", user, call.idempotency_key));
  return "o-" + flotilla::to_hex(digest).substr(0, 16);
}

Answer answer_for(const std::string& id, const Charged& charged) {
  Value body = Value::object({{"order_id", id}, {"status", charged.status}});
  if (!charged.message.is_null()) {
    body.set("message", charged.message);
  }
  const int status = charged.status == "paid"      ? 201
                     : charged.status == "pending" ? 202
                     : charged.status == "refused" ? 402
                                                   : 503;
  return {static_cast<std::uint16_t>(status), body};
}

Task<Answer> create_order(Service& service, const Call& call) {
  const std::string user = text_of(call.body["user_id"]);
  if (user.empty() || !call.body["total"].is_number()) {
    co_return refuse(422, "invalid", R"(expected {"user_id": "123", "items": [..], "total": 99.99})");
  }
  const std::string id = order_id(call, user);
  Value order = Value::object({{"order_id", id},
                               {"user_id", user},
                               {"items", call.body["items"]},
                               {"total", call.body["total"]},
                               {"status", "pending"}});
  if (const Value* begun = service.store().find(kOrders, id);
      begun != nullptr && ((*begun)["items"] != order["items"] || (*begun)["total"] != order["total"])) {
    co_return refuse(422, "key-reused", "this Idempotency-Key was used with another order");
  }
  service.store().put(kOrders, id, order);
  service.commit();  // an order may be without its charge after a crash, never a charge without its order
  const Charged charged = co_await charge(service, call, id, order);
  order.set("status", charged.status);
  service.store().put(kOrders, id, order);
  co_return answer_for(id, charged);
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
  if (const std::string user = text_of(call.body["user_id"]); !user.empty()) {
    service.store().put(kOrders, order,
                        Value::object({{"order_id", order},
                                       {"user_id", user},
                                       {"items", call.body["items"]},
                                       {"total", call.body["total"]},
                                       {"status", "placed"}}));
  }
  co_return Answer{201, row};
}

Task<Answer> release(Service& service, const Call& call) {
  const Value row = Value::object({{"order", call.parameters[0]}, {"state", "released"}});
  service.store().put(kReservations, call.parameters[0], row);
  if (const Value* order = service.store().find(kOrders, call.parameters[0])) {
    Value cancelled = *order;
    cancelled.set("status", "cancelled");
    service.store().put(kOrders, call.parameters[0], cancelled);
  }
  co_return Answer{200, row};
}

// The choreographed order: what the events say that has become of it. They come from three subscriptions, so
// in any order, and perhaps more than once: paid and cancelled are final.
Task<Answer> note(Service& service, const Call& call, std::string_view status) {
  const std::string id = text_of(call.body["order_id"]);
  if (id.empty()) {
    co_return refuse(422, "invalid", R"(expected {"order_id": "o-1", ..})");
  }
  const Value* known = service.store().find(kOrders, id);
  Value order = known == nullptr ? Value::object({{"order_id", id}}) : *known;
  for (const std::string_view field : {"user_id", "items", "total"}) {
    if (order[field].is_null() && !call.body[field].is_null()) {
      order.set(field, call.body[field]);
    }
  }
  if (order["status"].is_null() || order["status"] == Value("pending")) {
    order.set("status", status);
  }
  service.store().put(kOrders, id, order);
  co_return Answer{200, order};
}

Task<Answer> note_created(Service& service, const Call& call) { return note(service, call, "pending"); }
Task<Answer> note_paid(Service& service, const Call& call) { return note(service, call, "paid"); }
// The compensation: nobody asked for it, the event does.
Task<Answer> note_unpaid(Service& service, const Call& call) { return note(service, call, "cancelled"); }

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
                     {"DELETE", "/reservations/{order}", &release},
                     {"POST", "/events/order-created", &note_created},
                     {"POST", "/events/payment-success", &note_paid},
                     {"POST", "/events/payment-failed", &note_unpaid}},
          .seed = &seed};
}

}  // namespace shop
