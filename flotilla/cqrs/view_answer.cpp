#include "flotilla/cqrs/view_answer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/cqrs/core/page_token.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::cqrs {

Asked<ViewAsk> read_ask(std::string_view query, std::string_view read_after) {
  ViewAsk ask;
  if (!read_after.empty()) {
    auto position = journal::ReadToken::parse(read_after, journal::kMaxShards);
    if (!position) {
      return refuse(Reason::malformed, fmt::format("Read-After: '{}' is no Position that an answer named",
                                                   read_after.substr(0, 64)));
    }
    ask.read_after = std::move(*position);
  }
  if (const auto text = http::query_value(query, "wait")) {
    const auto wait = config::parse_duration(*text);
    if (!wait || *wait > kMaxWait) {
      return refuse(Reason::malformed, fmt::format("wait: expected a duration of at most {}, such as 200ms",
                                                   show_duration(kMaxWait)));
    }
    ask.wait = *wait;
  }
  if (const auto text = http::query_value(query, "stale")) {
    if (*text != "ok") {
      return refuse(Reason::malformed, "stale: expected ok");
    }
    ask.stale_ok = true;
  }
  if (const auto text = http::query_value(query, "limit")) {
    const auto limit = parse_int<std::size_t>(*text);
    if (!limit || *limit == 0 || *limit > kMaxPageRows) {
      return refuse(Reason::malformed, fmt::format("limit: expected a number from 1 to {}", kMaxPageRows));
    }
    ask.limit = *limit;
  }
  if (const auto text = http::query_value(query, "after")) {
    ask.after = parse_page_token(*text);
    if (!ask.after) {
      return refuse(Reason::malformed, "after: expected the `next` or View-Next of a page before");
    }
  }
  return ask;
}

http::Response refusal_answer(const Refusal& refusal) {
  return http::problem_response({.reason = refusal.reason,
                                 .detail = refusal.detail,
                                 .retry_after = http::retry_after_seconds(refusal.retry_after)});
}

namespace {

// Weakly, as RFC 9110 has it for If-None-Match.
bool names(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    std::string_view each = trim(list.substr(0, comma));
    each.remove_prefix(each.starts_with("W/") ? 2 : 0);
    if (each == "*" || each == etag) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

ViewHead::ViewHead(const ViewAnswer& answer, std::string_view if_none_match, WallTime now)
    : answer_(answer), position_(answer.position.text()) {
  const std::string& etag = answer.body->etag;
  unchanged_ = !etag.empty() && !if_none_match.empty() && names(if_none_match, etag);
  if (!unchanged_) {
    add("Content-Type", "application/json");
  }
  // What is kept elsewhere is to be asked for each time.
  add("Cache-Control", etag.empty() ? "no-store" : "no-cache");
  if (!etag.empty()) {
    add("ETag", etag);
  }
  add("View-Position", position_);
  if (answer.behind_since_ms == 0) {
    add("View-Age", "0");
  } else {
    const std::int64_t behind =
        std::max<std::int64_t>((now.ns_since_epoch / 1'000'000 - answer.behind_since_ms) / 1000, 0);
    age_ = std::to_string(behind);
    add("View-Age", age_);
  }
  if (answer.stale) {
    add("Stale", "true");
  }
  if (answer.next) {
    add("View-Next", *answer.next);
  }
}

http::Response view_answer(const ViewAnswer& answer, std::string_view if_none_match, WallTime now) {
  if (answer.body != nullptr) {
    const ViewHead head(answer, if_none_match, now);
    http::Response response{.status = head.status(), .headers = {}, .body = std::string(head.body())};
    for (const http::HeaderLine& line : head.fields()) {
      response.headers.add(std::string(line.name), std::string(line.value));
    }
    return response;
  }
  http::Response response =
      http::problem_response({.reason = Reason::not_found, .detail = "the view has nothing under this key"});
  const ViewAnswer with_body{.body = std::make_shared<const Answer>(),
                             .position = answer.position,
                             .behind_since_ms = answer.behind_since_ms,
                             .stale = answer.stale,
                             .next = {}};
  for (const http::HeaderLine& line : ViewHead(with_body, {}, now).fields()) {
    if (line.name != "Content-Type" && line.name != "Cache-Control") {
      response.headers.add(std::string(line.name), std::string(line.value));
    }
  }
  return response;
}

}  // namespace flotilla::cqrs
