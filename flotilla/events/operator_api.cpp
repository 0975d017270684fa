#include "flotilla/events/operator_api.hpp"

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/events/core/read_token.hpp"
#include "flotilla/events/topic_count.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {

net::Task<Asked<json::Value>> OperatorApi::describe(TopicPtr topic) {
  const auto events = co_await count_events(journal_, topic->name);
  if (!events) {
    co_return refuse(events.error().code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
                     events.error().message);
  }
  ReadToken end(journal_.shards());
  for (std::uint32_t shard = 0; shard < end.shards(); ++shard) {
    end.move_to(journal_.position(shard));
  }
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? json::Value() : json::Value(text);
  };
  co_return json::Value::object(
      {{"name", topic->name},
       {"events", *events},
       {"position", end.text()},
       {"retain", text_or_null(topic->retain == Duration::zero() ? "" : show_duration(topic->retain))},
       {"key", text_or_null(topic->key_text)},
       {"schema", topic->schema.has_value()}});
}

net::Task<http::Response> OperatorApi::handle(http::Request request, net::SocketAddress) {
  const auto path = http::read_api_path(request.target, kPrefix);
  if (!path || path->segments.size() > 1) {
    co_return http::problem_response(
        {.reason = Reason::not_found,
         .detail =
             "the management API has no such path; topics are at /api/v1/topics and /api/v1/topics/{topic}"});
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  if (path->segments.size() == 1) {
    const TopicPtr topic = topics_.find(path->segments[0]);
    if (topic == nullptr) {
      const std::string detail =
          fmt::format("the file names no topic '{}'", path->segments[0].substr(0, kMaxTopicName));
      co_return http::problem_response({.reason = Reason::not_found, .detail = detail});
    }
    const auto described = co_await describe(topic);
    co_return described ? http::json_response(json::write(*described)) : refusal_answer(described.error());
  }
  std::vector<TopicPtr> all;  // a reload may replace the table meanwhile
  for (const auto& [name, topic] : topics_.all()) {
    all.push_back(topic);
  }
  json::Value items = json::Value::array();
  for (const TopicPtr& topic : all) {
    auto described = co_await describe(topic);
    if (!described) {
      co_return refusal_answer(described.error());
    }
    items.push_back(std::move(*described));
  }
  co_return http::json_response(json::write(json::Value::object({{"items", items}, {"next", nullptr}})));
}

}  // namespace flotilla::events
