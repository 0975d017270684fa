#include "flotilla/events/subscription_api.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/events/forward.hpp"
#include "flotilla/events/who_why.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

constexpr std::array<std::string_view, 4> kVerbs{"pause", "resume", "replay", "release"};

http::Response refused(const Refusal& refusal) {
  return http::problem_response({.reason = refusal.reason,
                                 .detail = refusal.detail,
                                 .retry_after = http::retry_after_seconds(refusal.retry_after)});
}

http::Response no_such_path(std::string_view prefix) {
  return refused(
      {.reason = Reason::not_found,
       .detail = fmt::format("there is no such path; subscriptions are at {0} and {0}/{{name}}", prefix)});
}

json::Value time_or_null(std::int64_t millis) {
  return millis == 0 ? json::Value() : json::Value(iso_time({millis * 1'000'000}));
}

// What stands in the body of a verb.
struct Said {
  std::string who;
  std::string why;
  ReplayRange range;
  std::string key;
};

Asked<Said> read_body(std::string_view text, SubscriptionVerb verb) {
  Said said;
  const auto body = text.empty() ? Result<json::Value>(json::Value::object()) : json::parse(text);
  if (!body) {
    return refuse(Reason::malformed, "the body is not JSON: " + body.error().message);
  }
  if (!body->is_object()) {
    return refuse(Reason::invalid, "the body is a JSON object");
  }
  for (const json::Member& member : body->members()) {
    const std::string_view name = member.key();
    std::string* const into = name == "who"                                        ? &said.who
                              : name == "why"                                      ? &said.why
                              : name == "from" && verb == SubscriptionVerb::replay ? &said.range.from
                              : name == "to" && verb == SubscriptionVerb::replay   ? &said.range.to
                              : name == "key" && verb == SubscriptionVerb::release ? &said.key
                                                                                   : nullptr;
    if (into == nullptr) {
      return refuse(Reason::invalid, fmt::format("unknown member '{}'", name.substr(0, 64)));
    }
    if (!member.value.is_string() || member.value.as_string().size() > SubscriptionApi::kMaxWords) {
      return refuse(Reason::invalid,
                    fmt::format("{}: a text of at most {} bytes", name, SubscriptionApi::kMaxWords));
    }
    *into = member.value.as_string();
  }
  if (verb == SubscriptionVerb::replay && said.range.from.empty()) {
    return refuse(Reason::invalid, "'from' is missing: a position; what comes after it is sent again");
  }
  if (verb == SubscriptionVerb::release && said.key.empty()) {
    return refuse(Reason::invalid, "'key' is missing: the one to let go");
  }
  return said;
}

}  // namespace

json::Value to_json(const SubscriptionReport& report) {
  const SubscriptionPolicy& policy = report.subscription->policy;
  json::Value keys = json::Value::array();
  for (const std::string& key : report.held_keys) {
    keys.push_back(key);
  }
  json::Value out = json::Value::object({{"name", policy.name},
                                         {"topic", policy.topic},
                                         {"deliver", report.subscription->deliver->text()},
                                         {"source", report.subscription->declared ? "api" : "file"},
                                         {"order_by", to_string(policy.order_by)},
                                         {"state", report.state},
                                         {"position", report.position},
                                         {"oldest", time_or_null(report.oldest_ms)},
                                         {"unsettled", report.unsettled},
                                         {"in_flight", report.in_flight},
                                         {"unacknowledged", report.unacknowledged},
                                         {"retrying", report.retrying},
                                         {"redriving", report.redriving},
                                         {"at_bound", report.at_bound},
                                         {"held_back", report.held_back},
                                         {"held_keys", keys},
                                         {"dead_letter", policy.dead_letter}});
  if (report.pause.reason != PauseReason::none) {
    out.set("pause", json::Value::object({{"reason", to_string(report.pause.reason)},
                                          {"detail", report.pause.detail},
                                          {"since", time_or_null(report.pause.since)}}));
  }
  if (!report.failure.empty()) {
    out.set("failure", report.failure);
  }
  return out;
}

bool SubscriptionApi::serves(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.starts_with(kPrefix) && (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

net::Task<http::Response> SubscriptionApi::operate(std::string name, SubscriptionVerb verb,
                                                   std::string body) {
  auto said = read_body(body, verb);
  if (!said) {
    co_return refused(said.error());
  }
  input::Operate asked{.verb = verb, .key = std::move(said->key)};
  asked.who_why = said->why.empty()   ? said->who
                  : said->who.empty() ? said->why
                                      : said->who + ": " + said->why;
  const auto report = co_await runner_.operate(std::move(name), std::move(asked), std::move(said->range));
  co_return report ? http::json_response(json::write(to_json(*report))) : refused(report.error());
}

net::Task<http::Response> SubscriptionApi::handle_operator(http::Request request, net::SocketAddress peer) {
  const auto path = http::read_api_path(request.target, kOperatorPrefix);
  if (path && path->segments.size() >= 2 && path->segments[1] == DeadLetterApi::kSegment) {
    co_return co_await letters_.handle(*path, std::move(request), peer);
  }
  if (!path || path->segments.size() > 2) {
    co_return no_such_path(kOperatorPrefix);
  }
  if (path->segments.size() == 2) {
    if (path->segments[1] == "forget" && request.method == "POST") {
      co_return co_await forget(path->segments[0], std::move(request.body), peer);
    }
    const auto* const verb = std::ranges::find(kVerbs, path->segments[1]);
    if (verb == kVerbs.end()) {
      co_return refused({.reason = Reason::not_found,
                         .detail =
                             "the verbs of a subscription are pause, resume, replay, release and forget; its "
                             "dead letters are at .../dead-letters"});
    }
    if (request.method != "POST") {
      co_return http::method_response("POST");
    }
    co_return co_await operate(path->segments[0], static_cast<SubscriptionVerb>(verb - kVerbs.begin()),
                               std::move(request.body));
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  if (path->segments.size() == 1) {
    const auto report = co_await runner_.show(path->segments[0]);
    co_return report ? http::json_response(json::write(to_json(*report))) : refused(report.error());
  }
  json::Value items = json::Value::array();
  for (const SubscriptionReport& each : co_await runner_.list()) {
    items.push_back(to_json(each));
  }
  co_return http::json_response(json::write(json::Value::object({{"items", items}, {"next", nullptr}})));
}

net::Task<http::Response> SubscriptionApi::forget(std::string name, std::string body,
                                                  net::SocketAddress peer) {
  const auto asked = read_who_why(body);
  if (!asked) {
    co_return refused(asked.error());
  }
  const auto done = co_await declared_.forget(name, asked->who, asked->why, true);
  log::info("admin: subscription {}: forget: {}, by {} from {} ({})", name.substr(0, kMaxWords),
            done ? std::string_view("done") : std::string_view(done.error().detail), asked->who,
            peer.to_string(), asked->why);
  co_return done ? http::json_response(R"({"state":"forgetting"})", 202) : refused(done.error());
}

net::Task<http::Response> SubscriptionApi::declare(std::string name, http::Request request,
                                                   net::SocketAddress peer) {
  journal::Journal& journal = runner_.journal();
  if (const std::uint32_t home = declared_.home(name); !journal.ownership().lease(home)) {
    co_return co_await forward_to_owner(journal, home, std::move(request));
  }
  if (request.method == "DELETE") {
    const auto done = co_await declared_.forget(name, peer.to_string(), "DELETE", false);
    log::info("subscription {}: its end asked for from {}: {}", name.substr(0, kMaxWords), peer.to_string(),
              done ? std::string_view("done") : std::string_view(done.error().detail));
    co_return done ? http::json_response(R"({"state":"forgetting"})", 202) : refused(done.error());
  }
  const auto done = co_await declared_.put(name, std::move(request.body), peer.to_string());
  if (!done) {
    co_return refused(done.error());
  }
  log::info("subscription {}: declared from {}", name, peer.to_string());
  const auto report = co_await runner_.show(name);
  co_return report ? http::json_response(json::write(to_json(*report)), *done ? 201 : 200)
                   : refused(report.error());
}

net::Task<http::Response> SubscriptionApi::handle(http::Request request, net::SocketAddress peer) {
  const auto path = http::read_api_path(request.target, kPrefix);
  const std::size_t depth = path ? path->segments.size() : 0;
  if (depth == 1) {
    if (request.method != "PUT" && request.method != "DELETE") {
      co_return http::method_response("PUT, DELETE");
    }
    co_return co_await declare(path->segments[0], std::move(request), peer);
  }
  const bool replays = depth == 2 && path->segments[1] == "replay";
  const bool acknowledges = depth == 3 && path->segments[1] == "ack";
  if (!replays && !acknowledges) {
    co_return refused({.reason = Reason::not_found,
                       .detail = "there is no such path; see /v1/subscriptions/{name}, "
                                 "/v1/subscriptions/{name}/ack/{token} and /v1/subscriptions/{name}/replay"});
  }
  if (request.method != "POST") {
    co_return http::method_response("POST");
  }
  if (replays) {
    co_return co_await operate(path->segments[0], SubscriptionVerb::replay, std::move(request.body));
  }
  EventOutcome outcome = EventOutcome::ok;
  if (const auto said = request.headers.get("Event-Outcome")) {
    outcome = parse_event_outcome(*said);
    if (outcome == EventOutcome::none) {
      co_return refused({.reason = Reason::invalid, .detail = "Event-Outcome is ok, retry or reject"});
    }
  }
  const auto done =
      co_await runner_.acknowledge(path->segments[0], path->segments[2], outcome, std::move(request.body));
  co_return done ? http::Response{.status = 204} : refused(done.error());
}

}  // namespace flotilla::events
