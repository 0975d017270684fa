// The roles of the shop: what each sample service answers. One file per role.
#pragma once

#include <optional>
#include <string_view>

#include "service.hpp"

namespace shop {

[[nodiscard]] Role user_role();
[[nodiscard]] Role order_role();
[[nodiscard]] Role payment_role();
[[nodiscard]] Role shipping_role();
[[nodiscard]] Role notification_role();
[[nodiscard]] Role recommendation_role();
// Users, orders and payments in one program, as before they were split.
[[nodiscard]] Role monolith_role();

// By the name given on the command line.
[[nodiscard]] std::optional<Role> find_role(std::string_view name);

// {"user_id": "123"} and {"user_id": 123} both mean the user 123; empty if it is neither.
[[nodiscard]] std::string text_of(const flotilla::json::Value& value);

}  // namespace shop
