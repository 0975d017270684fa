#include "roles.hpp"

#include <array>

namespace shop {
namespace {

void seed_nothing(Store&) {}

void seed_monolith(Store& store) {
  for (const Role& part : {user_role(), order_role(), payment_role()}) {
    part.seed(store);
  }
}

}  // namespace

Role monolith_role() {
  Role role{.name = "monolith", .routes = {}, .seed = &seed_monolith};
  for (const Role& part : {user_role(), order_role(), payment_role()}) {
    role.routes.insert(role.routes.end(), part.routes.begin(), part.routes.end());
  }
  return role;
}

std::optional<Role> find_role(std::string_view name) {
  constexpr std::array roles{&user_role,         &order_role,          &payment_role, &shipping_role,
                             &notification_role, &recommendation_role, &monolith_role};
  for (const auto make : roles) {
    if (Role role = make(); role.name == name) {
      if (role.seed == nullptr) {
        role.seed = &seed_nothing;
      }
      return role;
    }
  }
  return std::nullopt;
}

std::string text_of(const flotilla::json::Value& value) {
  if (value.is_string()) {
    return std::string(value.as_string());
  }
  return value.is_number() ? std::string(value.number_text()) : std::string();
}

}  // namespace shop
