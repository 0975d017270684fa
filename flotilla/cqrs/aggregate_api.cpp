#include "flotilla/cqrs/aggregate_api.hpp"

#include <utility>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/cqrs/view_answer.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

http::Response refused(Reason reason, std::string detail) {
  return refusal_answer({.reason = reason, .detail = std::move(detail)});
}

// A number of the query within bounds; where none stands, `otherwise`.
Asked<std::uint64_t> number(std::string_view query, std::string_view name, std::uint64_t least,
                            std::uint64_t most, std::uint64_t otherwise) {
  const auto text = http::query_value(query, name);
  const auto read = text ? parse_int<std::uint64_t>(*text) : std::optional(otherwise);
  if (!read || (text && (*read < least || *read > most))) {
    return refuse(Reason::malformed, fmt::format("{}: expected a number from {} to {}", name, least, most));
  }
  return *read;
}

void write_event(json::Writer& out, const SeenEvent& seen) {
  out.begin_object().key("version").value(seen.version).key("position").value(seen.position.text());
  for (const auto& [name, value] : seen.event.attributes) {
    out.key(name).value(value);
  }
  out.key("data");
  if (seen.event.data.empty()) {
    out.value(nullptr);
  } else {
    out.raw(seen.event.data);
  }
  out.end();
}

std::string text_of(const SightAsk& ask, const AggregateSeen& seen) {
  const Sight& sight = seen.sight;
  std::string text;
  json::Writer out(text);
  out.begin_object().key("aggregate").value(ask.aggregate).key("id").value(ask.id);
  out.key("version").value(sight.version).key("newest").value(sight.newest);
  out.key("state").raw(sight.state.value_or("null"));
  out.key("snapshot");
  if (sight.snapshot == 0) {
    out.value(nullptr);
  } else {
    out.value(sight.snapshot);
  }
  out.key("folded").value(sight.folded).key("position").value(sight.position.text());
  out.key("items").begin_array();
  for (const SeenEvent& each : seen.events) {
    write_event(out, each);
  }
  out.end().key("next");
  if (seen.next) {
    out.value(std::to_string(*seen.next));
  } else {
    out.value(nullptr);
  }
  out.end();
  return text;
}

}  // namespace

http::Response AggregateApi::declared() const {
  json::Value items = json::Value::array();
  for (const AggregatePtr& each : reader_.known()) {
    json::Value commands = json::Value::array();
    for (const CommandPtr& command : each->commands) {
      commands.push_back(command->name);
    }
    items.push_back(json::Value::object(
        {{"name", each->name}, {"commands", commands}, {"snapshot_every", each->snapshot_every}}));
  }
  return http::json_response(json::write(json::Value::object({{"items", items}, {"next", nullptr}})));
}

net::Task<http::Response> AggregateApi::page(std::string name, std::string query) {
  const auto limit = number(query, "limit", 1, kMaxAggregatePage, kDefaultAggregates);
  const auto after = number(query, "after", 0, journal::kMaxNumber, 0);
  if (!limit || !after) {
    co_return refusal_answer(limit ? after.error() : limit.error());
  }
  const auto found = co_await reader_.list(std::move(name), journal::StreamId(*after), *limit);
  if (!found) {
    co_return refusal_answer(found.error());
  }
  json::Value items = json::Value::array();
  for (const AggregateRow& each : found->rows) {
    items.push_back(json::Value::object(
        {{"id", each.id}, {"created", iso_time(WallTime{each.created.value() * 1'000'000})}}));
  }
  const json::Value next = found->next ? json::Value(std::to_string(found->next->value())) : json::Value();
  co_return http::json_response(json::write(json::Value::object({{"items", items}, {"next", next}})));
}

net::Task<http::Response> AggregateApi::show(std::string name, std::string id, std::string query) {
  const auto at = number(query, "at", 1, journal::kMaxNumber, 0);
  const auto after = number(query, "after", 0, journal::kMaxNumber, 0);
  const auto limit = number(query, "limit", 1, kMaxEventPage, kDefaultAggregates);
  for (const auto* each : {&at, &after, &limit}) {
    if (!*each) {
      co_return refusal_answer(each->error());
    }
  }
  SightAsk ask{.aggregate = std::move(name),
               .id = std::move(id),
               .at = *at == 0 ? std::nullopt : std::optional(*at),
               .after = *after,
               .limit = *limit};
  const auto seen = co_await reader_.show(ask);
  co_return seen ? http::json_response(text_of(ask, *seen)) : refusal_answer(seen.error());
}

net::Task<http::Response> AggregateApi::handle(http::Request request, net::SocketAddress /*peer*/) {
  auto path = http::read_api_path(request.target, kPrefix);
  if (!path && path.error() == http::NoApiPath::malformed) {
    co_return refused(Reason::malformed, "the path has a % that is not followed by two hexadecimal digits");
  }
  const std::size_t depth = path ? path->segments.size() : 3;
  if (depth > 2) {
    co_return refused(Reason::not_found, fmt::format("there is no such path; aggregates are at {0}, "
                                                     "{0}/{{name}} and {0}/{{name}}/{{id}}",
                                                     kPrefix));
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  if (depth == 0) {
    co_return declared();
  }
  std::string name = std::move(path->segments[0]);
  co_return depth == 1 ? co_await page(std::move(name), std::move(path->query))
                       : co_await show(std::move(name), std::move(path->segments[1]), std::move(path->query));
}

}  // namespace flotilla::cqrs
