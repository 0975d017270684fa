#include "flotilla/events/subject_api.hpp"

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {

bool SubjectApi::serves(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.starts_with(kPrefix) && (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

net::Task<http::Response> SubjectApi::handle(http::Request request, net::SocketAddress peer) {
  const auto path = http::read_api_path(request.target, kPrefix);
  const std::size_t depth = path ? path->segments.size() : 0;
  if (depth == 0 || depth > 2 || (depth == 2 && path->segments[1] != "erase")) {
    co_return http::problem_response(
        {.reason = Reason::not_found,
         .detail = "there is no such path; see /api/v1/subjects/{id} and /api/v1/subjects/{id}/erase"});
  }
  const std::string& subject = path->segments[0];
  if (depth == 1) {
    if (request.method != "GET" && request.method != "HEAD") {
      co_return http::method_response("GET, HEAD");
    }
    const auto known = co_await erasure_.show(subject);
    if (!known) {
      co_return refusal_answer(known.error());
    }
    const json::Value erased = known->erased.value() == 0
                                   ? json::Value()
                                   : json::Value(iso_time(WallTime{known->erased.value() * 1'000'000}));
    co_return http::json_response(json::write(
        json::Value::object({{"subject", subject}, {"has_key", known->has_key}, {"erased", erased}})));
  }
  if (request.method != "POST") {
    co_return http::method_response("POST");
  }
  auto asked = read_who_why(request.body);
  if (!asked) {
    co_return refusal_answer(asked.error());
  }
  const auto done = co_await erasure_.erase(subject, *std::move(asked));
  log::info("admin: a subject's data erased from {}: {}", peer.to_string(),
            done ? std::string_view("done") : std::string_view(done.error().detail));
  if (!done) {
    co_return refusal_answer(done.error());
  }
  json::Value waits = json::Value::array();
  for (const std::string& each : done->waits_for) {
    waits.push_back(each);
  }
  co_return http::json_response(json::write(json::Value::object({{"subject", subject},
                                                                 {"keys", done->keys},
                                                                 {"dead_letters", done->dead_letters},
                                                                 {"position", done->position},
                                                                 {"waits_for", waits}})),
                                done->waits_for.empty() ? 200 : 202);
}

}  // namespace flotilla::events
