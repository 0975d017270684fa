#include "flotilla/events/queue_api.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

constexpr std::size_t kDefaultItems = 100;

http::Response refused(Reason reason, std::string detail) {
  return refusal_answer({.reason = reason, .detail = std::move(detail)});
}

// "who: why", of the body of a verb.
Asked<std::string> read_who_why(std::string_view text) {
  const auto body = text.empty() ? Result<json::Value>(json::Value::object()) : json::parse(text);
  if (!body) {
    return refuse(Reason::malformed, "the body is not JSON: " + body.error().message);
  }
  if (!body->is_object()) {
    return refuse(Reason::invalid, "the body is a JSON object");
  }
  std::string who;
  std::string why;
  for (const json::Member& member : body->members()) {
    std::string* const into = member.key() == "who" ? &who : member.key() == "why" ? &why : nullptr;
    if (into == nullptr) {
      return refuse(Reason::invalid, fmt::format("unknown member '{}'", member.key().substr(0, 64)));
    }
    if (!member.value.is_string() || member.value.as_string().size() > QueueApi::kMaxWords) {
      return refuse(Reason::invalid,
                    fmt::format("{}: a text of at most {} bytes", member.key(), QueueApi::kMaxWords));
    }
    *into = member.value.as_string();
  }
  return why.empty() ? who : who.empty() ? why : who + ": " + why;
}

}  // namespace

bool QueueApi::serves(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.starts_with(kPrefix) && (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

net::Task<http::Response> QueueApi::handle(http::Request request, net::SocketAddress /*peer*/) {
  co_return co_await answer(std::move(request), kPrefix);
}

net::Task<http::Response> QueueApi::handle_operator(http::Request request, net::SocketAddress /*peer*/) {
  co_return co_await answer(std::move(request), kOperatorPrefix);
}

net::Task<http::Response> QueueApi::answer(http::Request request, std::string_view prefix) {
  auto path = http::read_api_path(request.target, prefix);
  if (!path && path.error() == http::NoApiPath::malformed) {
    co_return refused(Reason::malformed, "the path has a % that is not followed by two hexadecimal digits");
  }
  const std::size_t depth = path ? path->segments.size() : 4;
  if (depth > 3 || (depth == 3 && path->segments[2] != "retry")) {
    co_return refused(
        Reason::not_found,
        fmt::format("there is no such path; queues are at {0}, {0}/{{name}}, {0}/{{name}}/{{id}} and "
                    "{0}/{{name}}/{{id}}/retry",
                    prefix));
  }
  const bool gets = request.method == "GET" || request.method == "HEAD";
  if (depth < 2) {
    if (!gets) {
      co_return http::method_response("GET, HEAD");
    }
    co_return depth == 0 ? co_await list()
                         : co_await page(std::move(path->segments[0]), std::move(path->query));
  }
  const auto id = Ulid::parse(path->segments[1]);
  if (!id) {
    co_return refused(Reason::not_found,
                      fmt::format("'{}' is no id of a queued call", path->segments[1].substr(0, 64)));
  }
  if (depth == 3) {
    if (request.method != "POST") {
      co_return http::method_response("POST");
    }
    co_return co_await operate(std::move(path->segments[0]), *id, QueueVerb::retry, std::move(request.body));
  }
  if (request.method == "DELETE") {
    co_return co_await operate(std::move(path->segments[0]), *id, QueueVerb::remove, std::move(request.body));
  }
  if (!gets) {
    co_return http::method_response("GET, HEAD, DELETE");
  }
  co_return co_await show(std::move(path->segments[0]), *id);
}

net::Task<http::Response> QueueApi::list() {
  json::Value items = json::Value::array();
  for (const QueueReport& each : co_await runner_.list()) {
    items.push_back(to_json(each));
  }
  co_return http::json_response(json::write(json::Value::object({{"items", items}, {"next", nullptr}})));
}

net::Task<http::Response> QueueApi::page(std::string name, std::string query) {
  const auto limit_text = http::query_value(query, "limit");
  const auto after_text = http::query_value(query, "after");
  const auto state_text = http::query_value(query, "state");
  const auto limit = limit_text ? parse_int<std::size_t>(*limit_text) : std::optional(kDefaultItems);
  const auto after = after_text ? parse_int<std::uint64_t>(*after_text) : std::optional<std::uint64_t>(0);
  const auto state = state_text ? parse_queue_state(*state_text) : std::nullopt;
  if (!limit || *limit == 0 || *limit > kMaxItems) {
    co_return refused(Reason::malformed, fmt::format("limit: expected a number from 1 to {}", kMaxItems));
  }
  if (!after) {
    co_return refused(Reason::malformed, "after: expected what `next` of the page before was");
  }
  if (state_text && !state) {
    co_return refused(Reason::malformed, "state: expected pending, sending, done, dead or removed");
  }
  const auto report = co_await runner_.show(name);
  if (!report) {
    co_return refusal_answer(report.error());
  }
  const auto found = co_await runner_.items(std::move(name), state, journal::StreamId(*after), *limit);
  if (!found) {
    co_return refusal_answer(found.error());
  }
  json::Value items = json::Value::array();
  for (const QueueItem& each : found->items) {
    items.push_back(to_json(each));
  }
  const json::Value next = found->next ? json::Value(std::to_string(found->next->value())) : json::Value();
  co_return http::json_response(
      json::write(json::Value::object({{"queue", to_json(*report)}, {"items", items}, {"next", next}})));
}

net::Task<http::Response> QueueApi::show(std::string name, Ulid id) {
  const auto story = co_await runner_.item(std::move(name), id);
  if (!story) {
    co_return refusal_answer(story.error());
  }
  const auto told = to_json(*story);
  co_return told ? http::json_response(json::write(*told))
                 : refused(Reason::store_unavailable, told.error().message);
}

net::Task<http::Response> QueueApi::operate(std::string name, Ulid id, QueueVerb verb, std::string body) {
  auto who_why = read_who_why(body);
  if (!who_why) {
    co_return refusal_answer(who_why.error());
  }
  const auto item = co_await runner_.operate(std::move(name), id, verb, std::move(*who_why));
  co_return item ? http::json_response(json::write(to_json(*item))) : refusal_answer(item.error());
}

}  // namespace flotilla::events
