#include "flotilla/events/operator_api.hpp"

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/events/core/read_token.hpp"
#include "flotilla/events/topic_count.hpp"
#include "flotilla/events/topic_retention.hpp"
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
       {"retain_size", retention_of(*topic).size == 0
                           ? json::Value()
                           : json::Value(config::show_size(retention_of(*topic).size))},
       {"compact", retention_of(*topic).compact},
       {"key", text_or_null(topic->key_text)},
       {"schema", topic->schema.has_value()}});
}

net::Task<http::Response> OperatorApi::show(std::string name) {
  const TopicPtr topic = topics_.find(name);
  if (topic == nullptr) {
    co_return http::problem_response(
        {.reason = Reason::not_found,
         .detail = fmt::format("the file names no topic '{}'", name.substr(0, kMaxTopicName))});
  }
  auto described = co_await describe(topic);
  if (!described) {
    co_return refusal_answer(described.error());
  }
  const auto rows = co_await removal_.of(std::move(name));
  if (!rows) {
    co_return refusal_answer({.reason = Reason::store_unavailable, .detail = rows.error().message});
  }
  json::Value deletions = json::Value::array();
  for (const journal::Summary& row : *rows) {
    if (const auto deletion = read_deletion_row(row.attributes)) {
      deletions.push_back(json::Value::object({{"at", iso_time(WallTime{row.created.value() * 1'000'000})},
                                               {"who", deletion->who},
                                               {"why", deletion->why},
                                               {"events", deletion->events},
                                               {"state", row.state}}));
    }
  }
  described->set("deletions", std::move(deletions));
  co_return http::json_response(json::write(*described));
}

net::Task<http::Response> OperatorApi::remove(std::string name, std::string body, net::SocketAddress peer) {
  auto asked = read_who_why(body);
  if (!asked) {
    co_return refusal_answer(asked.error());
  }
  const bool declared = topics_.find(name) != nullptr;
  const std::string who = asked->who;
  const auto done = co_await removal_.remove(name, declared, *std::move(asked));
  log::info("admin: topic {}: deletion asked for by {} from {}: {}", name.substr(0, kMaxTopicName), who,
            peer.to_string(), done ? std::string_view("done") : std::string_view(done.error().detail));
  if (!done) {
    co_return refusal_answer(done.error());
  }
  co_return http::json_response(
      json::write(json::Value::object({{"name", name},
                                       {"events", done->events},
                                       {"declared", declared},
                                       {"state", done->done ? kDeleted : kDeleting}})),
      done->done ? 200 : 202);
}

net::Task<http::Response> OperatorApi::handle(http::Request request, net::SocketAddress peer) {
  const auto path = http::read_api_path(request.target, kPrefix);
  if (!path || path->segments.size() > 1) {
    co_return http::problem_response(
        {.reason = Reason::not_found,
         .detail =
             "the management API has no such path; topics are at /api/v1/topics and /api/v1/topics/{topic}"});
  }
  const bool one = path->segments.size() == 1;
  if (one && request.method == "DELETE") {
    co_return co_await remove(path->segments[0], std::move(request.body), peer);
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response(one ? "GET, HEAD, DELETE" : "GET, HEAD");
  }
  if (one) {
    co_return co_await show(path->segments[0]);
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
