// The user service: who the customers are.
#include "roles.hpp"

namespace shop {
namespace {

using flotilla::json::Value;
using flotilla::net::Task;

constexpr std::string_view kUsers = "users";

Task<Answer> get_user(Service& service, const Call& call) {
  const Value* user = service.store().find(kUsers, call.parameters[0]);
  co_return user == nullptr ? refuse(404, "not-found", "no such user; the shop knows 123, 124 and 125")
                            : Answer{200, *user};
}

void seed(Store& store) {
  const auto add = [&](std::string_view id, std::string_view name, std::string_view email,
                       std::string_view city) {
    store.put(kUsers, id,
              Value::object({{"id", Value::number(id)},
                             {"name", name},
                             {"email", email},
                             {"address", Value::object({{"city", city}})}}));
  };
  add("123", "Alice", "alice@example.com", "Lisbon");
  add("124", "Bob", "bob@example.com", "Porto");
  add("125", "Carol", "carol@example.com", "Faro");
}

}  // namespace

Role user_role() { return {.name = "user", .routes = {{"GET", "/users/{id}", &get_user}}, .seed = &seed}; }

}  // namespace shop
