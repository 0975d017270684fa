// The notification service: messages to users, kept instead of sent.
#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"
#include "roles.hpp"

namespace shop {
namespace {

using flotilla::json::Value;
using flotilla::net::Task;

constexpr std::string_view kNotifications = "notifications";

void add(Store& store, std::string_view user, const Value& text) {
  const std::string id = fmt::format("n-{}", store.next_number());
  store.put(kNotifications, id, Value::object({{"id", id}, {"user_id", user}, {"text", text}}));
}

Task<Answer> list(Service& service, const Call& call) {
  const auto user = flotilla::http::query_value(call.query, "user_id");
  co_return user ? Answer{200, service.store().newest(kNotifications, "user_id", *user)}
                 : refuse(422, "invalid", "say whose: /notifications?user_id=123");
}

Task<Answer> notify(Service& service, const Call& call) {
  // The saga of the guide says `user`, a person would say `user_id`.
  const std::string user = text_of(call.body[call.body["user"].is_null() ? "user_id" : "user"]);
  if (user.empty()) {
    co_return refuse(422, "invalid", R"(expected {"user": "123", "text": ".."})");
  }
  const Value& text = call.body["text"];
  add(service.store(), user, text.is_null() ? Value("Your order is on its way") : text);
  co_return Answer{201, Value::object({{"status", "sent"}})};
}

void seed(Store& store) { add(store, "123", "Welcome to the shop"); }

}  // namespace

Role notification_role() {
  return {.name = "notification",
          .routes = {{"GET", "/notifications", &list}, {"POST", "/notifications", &notify}},
          .seed = &seed};
}

}  // namespace shop
