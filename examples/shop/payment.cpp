// The payment service: one charge per order, refused above a limit, refunded when asked.
//
// It also charges what is ordered by an event (the choreographed order). A refund that comes before its
// charge stands: the charge is refused from then on.
#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"
#include "roles.hpp"

namespace shop {
namespace {

using flotilla::json::Value;
using flotilla::net::Task;

constexpr std::string_view kCharges = "charges";  // by order
constexpr double kCardLimit = 10'000;

Task<Answer> charge(Service& service, const Call& call) {
  const std::string order = text_of(call.body["order"]);
  const auto amount = call.body["amount"].as_double();
  if (order.empty() || !amount || *amount < 0) {
    co_return refuse(422, "invalid", R"(expected {"order": "o-1", "user_id": "123", "amount": 99.99})");
  }
  if (const Value* known = service.store().find(kCharges, order)) {
    co_return (*known)["status"] == Value("charged")
        ? Answer{200, *known}
        : refuse(409, "refunded", "this order's charge was refunded; it cannot be charged again");
  }
  if (*amount > kCardLimit) {
    co_return refuse(402, "card-declined", "the card's limit is 10000");
  }
  const Value row = Value::object({{"charge_id", fmt::format("c-{}", service.store().next_number())},
                                   {"order", order},
                                   {"user_id", text_of(call.body["user_id"])},
                                   {"amount", call.body["amount"]},
                                   {"status", "charged"}});
  service.store().put(kCharges, order, row);
  co_return Answer{201, row};
}

// The tutorial's call: {"amount": 99.99} and nothing else; success is exactly 200.
Task<Answer> charge_without_order(Service& service, const Call& call) {
  Call ordered = call;
  ordered.body = call.body.is_object() ? call.body : Value::object();
  if (ordered.body["order"].is_null()) {
    ordered.body.set("order", fmt::format("w-{}", service.store().next_number()));
  }
  Answer answer = co_await charge(service, ordered);
  if (answer.status == 201) {
    answer.status = 200;
  }
  co_return answer;
}

// An event of the choreographed order: what is answered is what `payment.success` says, and a refusal becomes
// `payment.failed` (the subscription of the demo's file). Delivered again, it is the same charge.
Task<Answer> charge_on_event(Service& service, const Call& call) {
  Call ordered = call;
  ordered.body = Value::object(
      {{"order", call.body["order_id"]}, {"user_id", call.body["user_id"]}, {"amount", call.body["total"]}});
  Answer answer = co_await charge(service, ordered);
  if (answer.status < 300) {
    answer.body = Value::object({{"order_id", answer.body["order"]},
                                 {"user_id", answer.body["user_id"]},
                                 {"charge_id", answer.body["charge_id"]},
                                 {"amount", answer.body["amount"]}});
  }
  co_return answer;
}

Task<Answer> refund(Service& service, const Call& call) {
  const std::string order = text_of(call.body["order"]);
  if (order.empty()) {
    co_return refuse(422, "invalid", R"(expected {"order": "o-1", "reason": ".."})");
  }
  const Value* known = service.store().find(kCharges, order);
  Value row = known == nullptr ? Value::object({{"order", order}, {"amount", 0}}) : *known;
  row.set("status", "refunded");
  row.set("reason", call.body["reason"]);
  service.store().put(kCharges, order, row);
  co_return Answer{200, row};
}

Task<Answer> list_payments(Service& service, const Call& call) {
  const auto user = flotilla::http::query_value(call.query, "user_id");
  co_return user ? Answer{200, service.store().newest(kCharges, "user_id", *user)}
                 : refuse(422, "invalid", "say whose: /payments?user_id=123");
}

Task<Answer> charge_of_order(Service& service, const Call& call) {
  const Value* known = service.store().find(kCharges, call.parameters[0]);
  co_return known == nullptr ? refuse(404, "not-found", "this order was not charged") : Answer{200, *known};
}

void seed(Store& store) {
  const auto add = [&](std::string_view order, std::string_view user, std::string_view amount) {
    store.put(kCharges, order,
              Value::object({{"charge_id", fmt::format("c-{}", store.next_number())},
                             {"order", order},
                             {"user_id", user},
                             {"amount", Value::number(amount)},
                             {"status", "charged"}}));
  };
  add("o-1", "123", "24.90");
  add("o-2", "123", "49.00");
  add("o-3", "124", "8.50");
}

}  // namespace

Role payment_role() {
  return {.name = "payment",
          .routes = {{"POST", "/charges", &charge},
                     {"POST", "/charge", &charge_without_order},
                     {"POST", "/events/order-created", &charge_on_event},
                     {"POST", "/refunds", &refund},
                     {"GET", "/payments", &list_payments},
                     {"GET", "/charges/by-order/{order}", &charge_of_order}},
          .seed = &seed};
}

}  // namespace shop
