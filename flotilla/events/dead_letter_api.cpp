#include "flotilla/events/dead_letter_api.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/events/core/cloud_event.hpp"
#include "flotilla/events/core/event_json.hpp"
#include "flotilla/events/who_why.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

constexpr std::array<std::pair<std::string_view, LetterVerb>, 3> kVerbs{
    {{"edit", LetterVerb::edit}, {"replay", LetterVerb::replay}, {"drop", LetterVerb::drop}}};

std::string time_of(std::int64_t millis) { return iso_time({millis * 1'000'000}); }

Asked<LetterStep> read_step(const json::Value& body, LetterVerb verb) {
  auto who = take_text(body, "who", kMaxWho, true);
  auto why = take_text(body, "why", kMaxWhy, true);
  if (!who || !why) {
    return std::unexpected(!who ? who.error() : why.error());
  }
  LetterStep step{.verb = verb, .who = *std::move(who), .why = *std::move(why)};
  if (verb == LetterVerb::edit && body.find("data") == nullptr) {
    return refuse(Reason::invalid, "\"data\" is missing: what the event is to say");
  }
  return step;
}

Asked<std::size_t> read_limit(const std::optional<std::string>& text) {
  const auto limit = text ? parse_int<std::size_t>(*text) : std::optional(kDefaultLetters);
  if (!limit || *limit == 0 || *limit > kMaxLetters) {
    return refuse(Reason::malformed, fmt::format("limit: expected a number from 1 to {}", kMaxLetters));
  }
  return *limit;
}

Asked<LetterFilter> read_filter(std::string_view query) {
  constexpr std::array<std::string_view, 6> known{"state", "key", "reason", "code", "after", "limit"};
  for (std::string_view rest = query; !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (const auto name = pair.substr(0, pair.find('=')); std::ranges::find(known, name) == known.end()) {
      return refuse(Reason::malformed, fmt::format("unknown parameter '{}'; known are {}", name.substr(0, 64),
                                                   fmt::join(known, ", ")));
    }
  }
  LetterFilter filter{.state = http::query_value(query, "state").value_or("open"),
                      .key = http::query_value(query, "key").value_or(""),
                      .reason = http::query_value(query, "reason").value_or(""),
                      .code = http::query_value(query, "code").value_or("")};
  if (filter.state == "all") {
    filter.state.clear();
  } else if (!parse_letter_state(filter.state)) {
    return refuse(Reason::malformed,
                  "state: expected open, replaying, delivered, dropped, expired, filtered or all");
  }
  return filter;
}

// A row as lists show it.
json::Value row_json(const journal::Summary& row) {
  json::Value out = json::Value::object({{"id", std::to_string(row.stream.value())}, {"state", row.state}});
  const auto attributes = json::parse(row.attributes);
  if (attributes && attributes->is_object()) {
    for (const std::string_view name : {"event", "type"}) {
      out.set(name, (*attributes)[name]);
    }
    out.set("key", (*attributes)["search"]["key"]);
    out.set("reason", (*attributes)["search"]["reason"]);
    for (const std::string_view name : {"code", "attempts", "edited", "position"}) {
      out.set(name, (*attributes)[name]);
    }
  }
  out.set("buried", time_of(row.created.value()));
  out.set("changed", time_of(row.changed.value()));
  return out;
}

json::Value step_json(const TakenStep& taken) {
  json::Value out =
      json::Value::object({{"time", time_of(taken.time)}, {"verb", to_string(taken.step.verb)}});
  for (const auto& [name, text] :
       {std::pair("who", &taken.step.who), std::pair("why", &taken.step.why),
        std::pair("code", &taken.step.code), std::pair("body", &taken.step.body)}) {
    if (!text->empty()) {
      out.set(name, *text);
    }
  }
  if (taken.step.verb == LetterVerb::returned) {
    out.set("attempts", taken.step.attempts);
  }
  return out;
}

std::string letter_json(std::string_view id, const DeadLetter& letter) {
  std::string event;
  append_event(event, original_of(letter), time_of(letter.buried));
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("id").value(id).key("state").value(to_string(letter.state));
  writer.key("topic").value(letter.event.attribute("deadlettertopic"));
  writer.key("position").value(letter.position());
  writer.key("key").value(letter.event.attribute("partitionkey"));
  writer.key("reason").value(letter.event.attribute("deadletterreason"));
  writer.key("code").value(letter.code()).key("body").value(letter.body());
  writer.key("attempts").value(letter.attempts()).key("edited").value(letter.edited);
  writer.key("buried").value(time_of(letter.buried));
  writer.key("data_left_out").value(letter.event.attribute("deadletterdata") == "left-out");
  writer.key("event").raw(event).key("history").begin_array();
  for (const TakenStep& each : letter.steps) {
    writer.value(step_json(each));
  }
  writer.end().end();
  return out;
}

http::Response no_such_path() {
  return refusal_answer(
      {.reason = Reason::not_found,
       .detail = "there is no such path; dead letters are at /api/v1/subscriptions/{name}/dead-letters and "
                 "below it at /{id}, /{id}/edit, /{id}/replay, /{id}/drop, /replay and /drop"});
}

std::optional<LetterVerb> verb_of(std::string_view text) {
  const auto* const found = std::ranges::find(kVerbs, text, &std::pair<std::string_view, LetterVerb>::first);
  return found == kVerbs.end() ? std::nullopt : std::optional(found->second);
}

void log_verb(std::string_view name, std::string_view what, const LetterStep& step, std::string_view outcome,
              net::SocketAddress peer) {
  log::info("admin: subscription {}: dead letter {}: {}: {}, by {} from {} ({})", name, what,
            to_string(step.verb), outcome, step.who, peer.to_string(), step.why);
}

}  // namespace

net::Task<http::Response> DeadLetterApi::list(std::string name, std::string query) {
  auto filter = read_filter(query);
  const auto limit = read_limit(http::query_value(query, "limit"));
  if (!filter || !limit) {
    co_return refusal_answer(!filter ? filter.error() : limit.error());
  }
  const bool known = runner_.knows(name);
  const auto page = co_await letters_.list(std::move(name), *std::move(filter),
                                           http::query_value(query, "after").value_or(""), *limit);
  if (!page) {
    co_return refusal_answer(page.error());
  }
  if (page->rows.empty() && !known) {
    co_return refusal_answer(
        {.reason = Reason::not_found, .detail = "there is no such subscription, and no dead letter of one"});
  }
  json::Value items = json::Value::array();
  for (const journal::Summary& row : page->rows) {
    items.push_back(row_json(row));
  }
  const json::Value next = page->next.empty() ? json::Value() : json::Value(page->next);
  co_return http::json_response(json::write(json::Value::object({{"items", items}, {"next", next}})));
}

net::Task<http::Response> DeadLetterApi::show(std::string name, std::string id) {
  const auto letter = co_await letters_.show(std::move(name), id);
  co_return letter ? http::json_response(letter_json(id, **letter)) : refusal_answer(letter.error());
}

net::Task<http::Response> DeadLetterApi::take(std::string name, std::string id, LetterVerb verb,
                                              std::string text, net::SocketAddress peer) {
  const auto body = verb == LetterVerb::edit ? read_members(text, {"who", "why", "data"})
                                             : read_members(text, {"who", "why"});
  auto step = body ? read_step(*body, verb) : Asked<LetterStep>(std::unexpected(body.error()));
  if (!step) {
    co_return refusal_answer(step.error());
  }
  if (verb == LetterVerb::edit) {
    const auto before = co_await letters_.show(name, id);
    if (!before) {
      co_return refusal_answer(before.error());
    }
    const json::Value& data = (*body)["data"];
    const bool as_json = is_json_type((*before)->event.attribute("datacontenttype"));
    if (!as_json && !data.is_string()) {
      co_return refusal_answer(
          {.reason = Reason::invalid, .detail = "data: expected a text, because the event's is no JSON"});
    }
    step->data = as_json ? json::write(data) : std::string(data.as_string());
  }
  const LetterStep asked = *step;
  const auto letter = co_await letters_.take(name, id, *std::move(step));
  log_verb(name, id.substr(0, 32), asked, letter ? std::string_view("done") : letter.error().detail, peer);
  co_return letter ? http::json_response(letter_json(id, **letter)) : refusal_answer(letter.error());
}

net::Task<http::Response> DeadLetterApi::take_all(std::string name, LetterVerb verb, std::string text,
                                                  net::SocketAddress peer) {
  const auto body = read_members(text, {"who", "why", "key", "reason", "code", "after", "limit"});
  auto step = body ? read_step(*body, verb) : Asked<LetterStep>(std::unexpected(body.error()));
  if (!step) {
    co_return refusal_answer(step.error());
  }
  LetterFilter filter;
  std::string after;
  for (const auto& [member, into] : {std::pair("key", &filter.key), std::pair("reason", &filter.reason),
                                     std::pair("code", &filter.code), std::pair("after", &after)}) {
    auto said = take_text(*body, member, kMaxKeyBytes, false);
    if (!said) {
      co_return refusal_answer(said.error());
    }
    *into = *std::move(said);
  }
  const json::Value* const count = body->find("limit");
  const auto limit = read_limit(count == nullptr ? std::nullopt : std::optional(json::write(*count)));
  if (!limit) {
    co_return refusal_answer(limit.error());
  }
  const LetterStep asked = *step;
  const auto bulk =
      co_await letters_.take_all(name, std::move(filter), *std::move(step), std::move(after), *limit);
  log_verb(name, bulk ? fmt::format("bulk of {}", bulk->done) : std::string("bulk"), asked,
           bulk ? std::string_view("done") : bulk.error().detail, peer);
  if (!bulk) {
    co_return refusal_answer(bulk.error());
  }
  const json::Value next = bulk->next.empty() ? json::Value() : json::Value(bulk->next);
  co_return http::json_response(
      json::write(json::Value::object({{"done", bulk->done}, {"passed", bulk->passed}, {"next", next}})));
}

net::Task<http::Response> DeadLetterApi::handle(http::ApiPath path, http::Request request,
                                                net::SocketAddress peer) {
  const std::vector<std::string>& segments = path.segments;
  const std::size_t depth = segments.size();
  const auto verb = depth >= 3 ? verb_of(segments.back()) : std::nullopt;
  const bool bulk = depth == 3 && verb && *verb != LetterVerb::edit;
  const bool one = depth == 4 && verb;
  if (depth > 4 || (depth == 4 && !verb)) {
    co_return no_such_path();
  }
  if (bulk || one) {
    if (request.method != "POST") {
      co_return http::method_response("POST");
    }
    if (*verb == LetterVerb::replay && !runner_.knows(segments[0])) {
      co_return refusal_answer({.reason = Reason::not_found,
                                .detail = fmt::format("there is no subscription '{}' that could send it",
                                                      segments[0].substr(0, 64))});
    }
    if (bulk) {
      co_return co_await take_all(segments[0], *verb, std::move(request.body), peer);
    }
    co_return co_await take(segments[0], segments[2], *verb, std::move(request.body), peer);
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  if (depth == 3) {
    co_return co_await show(segments[0], segments[2]);
  }
  co_return co_await list(segments[0], std::move(path.query));
}

}  // namespace flotilla::events
