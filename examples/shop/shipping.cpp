// The shipping service: one shipment per order, which cannot be called back.
#include <fmt/format.h>

#include "roles.hpp"

namespace shop {
namespace {

using flotilla::json::Value;
using flotilla::net::Task;

constexpr std::string_view kShipments = "shipments";

Task<Answer> ship(Service& service, const Call& call) {
  const std::string order = text_of(call.body["order"]);
  if (order.empty()) {
    co_return refuse(422, "invalid", R"(expected {"order": "o-1"})");
  }
  if (const Value* known = service.store().find(kShipments, order)) {
    co_return Answer{200, *known};
  }
  const Value row =
      Value::object({{"order", order}, {"tracking", fmt::format("T{:08}", service.store().next_number())}});
  service.store().put(kShipments, order, row);
  co_return Answer{201, row};
}

Task<Answer> get_shipment(Service& service, const Call& call) {
  const Value* known = service.store().find(kShipments, call.parameters[0]);
  co_return known == nullptr ? refuse(404, "not-found", "this order has not shipped") : Answer{200, *known};
}

}  // namespace

Role shipping_role() {
  return {.name = "shipping",
          .routes = {{"POST", "/shipments", &ship}, {"GET", "/shipments/{order}", &get_shipment}},
          .seed = nullptr};
}

}  // namespace shop
