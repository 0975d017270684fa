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

http::Response view_answer(const ViewAnswer& answer, WallTime now) {
  http::Response response = answer.body == nullptr
                                ? http::problem_response({.reason = Reason::not_found,
                                                          .detail = "the view has nothing under this key"})
                                : http::json_response(*answer.body);
  response.headers.add("View-Position", answer.position.text());
  const std::int64_t behind =
      answer.behind_since_ms == 0
          ? 0
          : std::max<std::int64_t>((now.ns_since_epoch / 1'000'000 - answer.behind_since_ms) / 1000, 0);
  response.headers.add("View-Age", std::to_string(behind));
  if (answer.stale) {
    response.headers.add("Stale", "true");
  }
  if (answer.next) {
    response.headers.add("View-Next", *answer.next);
  }
  return response;
}

}  // namespace flotilla::cqrs
