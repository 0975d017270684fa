// The recommendation service: nice to have, so it is the one that is allowed to be away.
#include "flotilla/http/core/uri.hpp"
#include "roles.hpp"

namespace shop {
namespace {

using flotilla::json::Value;
using flotilla::net::Task;

Task<Answer> recommend(Service&, const Call& call) {
  if (!flotilla::http::query_value(call.query, "user_id")) {
    co_return refuse(422, "invalid", "say for whom: /recs?user_id=123");
  }
  co_return Answer{200, Value::array({Value::object({{"sku", "tea-tin"}, {"reason", "goes with a teapot"}}),
                                      Value::object({{"sku", "filter"}, {"reason", "often bought next"}})})};
}

}  // namespace

Role recommendation_role() {
  return {.name = "recommendation", .routes = {{"GET", "/recs", &recommend}}, .seed = nullptr};
}

}  // namespace shop
