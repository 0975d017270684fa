#include "flotilla/events/api.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/events/core/cloud_event.hpp"
#include "flotilla/events/event_stream.hpp"
#include "flotilla/events/forward.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::events {
namespace {

constexpr std::size_t kMaxIdentifier = 128;

// A Correlation-Id or Causation-Id that can be kept as it is: visible ASCII; else none.
std::string_view identifier(const http::Fields& fields, std::string_view name) {
  const std::string_view value = fields.get(name).value_or("");
  const bool plain = value.size() <= kMaxIdentifier &&
                     std::ranges::all_of(value, [](char c) { return c > ' ' && c < '\x7f'; });
  return plain ? value : std::string_view();
}

Asked<std::size_t> read_limit(std::string_view query) {
  const auto text = http::query_value(query, "limit");
  const auto limit = text ? parse_int<std::size_t>(*text) : std::optional(kDefaultEvents);
  if (!limit || *limit == 0 || *limit > kMaxEvents) {
    return refuse(Reason::malformed, fmt::format("limit: expected a number from 1 to {}", kMaxEvents));
  }
  return *limit;
}

Asked<Duration> read_wait(std::string_view query) {
  const auto text = http::query_value(query, "wait");
  if (!text) {
    return Duration::zero();
  }
  const auto wait = config::parse_duration(*text);
  if (!wait || *wait > kMaxWait) {
    return refuse(Reason::malformed, fmt::format("wait: expected a duration of at most {}, such as 30s",
                                                 show_duration(kMaxWait)));
  }
  return *wait;
}

}  // namespace

bool Api::serves(std::string_view target) noexcept {
  return target.starts_with(kPrefix) &&
         (target.size() == kPrefix.size() || target[kPrefix.size()] == '/' || target[kPrefix.size()] == '?');
}

Asked<TopicPtr> Api::topic_of(std::string_view target) const {
  const auto path = http::read_api_path(target, kPrefix);
  if (!path && path.error() == http::NoApiPath::malformed) {
    return refuse(Reason::malformed, "the path has a % that is not followed by two hexadecimal digits");
  }
  if (!path || path->segments.size() != 1) {
    return refuse(Reason::not_found, "the API has no such path; a topic is at /v1/topics/{topic}");
  }
  if (const TopicPtr topic = topics_.find(path->segments[0])) {
    return topic;
  }
  return refuse(Reason::not_found, fmt::format("the file names no topic '{}'; declare it under `topics:`",
                                               path->segments[0].substr(0, kMaxTopicName)));
}

net::Task<http::Response> Api::handle(http::Request request, net::SocketAddress) {
  auto topic = topic_of(request.target);
  if (!topic) {
    co_return refusal_answer(topic.error());
  }
  if (request.method == "POST") {
    co_return co_await publish(std::move(*topic), std::move(request));
  }
  if (request.method != "GET") {
    co_return http::method_response("GET, POST");
  }
  const std::size_t mark = std::min(request.target.find('?'), request.target.size() - 1);
  co_return co_await read(std::move(*topic), request.target.substr(mark + 1));
}

Asked<std::vector<CompleteEvent>> Api::read_publication(const Topic& topic, http::Request request,
                                                        WallTime now) {
  auto received = read_events(request.headers, std::move(request.body));
  if (!received) {
    return std::unexpected(std::move(received.error()));
  }
  const std::string_view trace = request.headers.get("traceparent").value_or("");
  const Origin origin{.correlation = identifier(request.headers, "Correlation-Id"),
                      .causation = identifier(request.headers, "Causation-Id"),
                      .traceparent = telemetry::parse_traceparent(trace) ? trace : std::string_view()};
  std::vector<CompleteEvent> events;
  events.reserve(received->size());
  for (journal::Event& event : *received) {
    auto done = complete(topic, std::move(event), origin, now, random_);
    if (!done) {
      if (received->size() > 1) {
        done.error().detail = fmt::format("event {}: {}", events.size(), done.error().detail);
      }
      return std::unexpected(std::move(done.error()));
    }
    events.push_back(std::move(*done));
  }
  return events;
}

net::Task<http::Response> Api::publish(TopicPtr topic, http::Request request) {
  journal::Journal& journal = publisher_.journal();
  if (const std::uint32_t home = home_shard(topic->name, journal.shards());
      !journal.ownership().lease(home)) {
    co_return co_await forward_to_owner(journal, home, std::move(request));
  }
  TopicCounters& counters = metrics_.of(topic->name);
  const WallTime now = net::wall_now();
  auto events = read_publication(*topic, std::move(request), now);
  if (!events) {
    counters.refused.add();
    co_return refusal_answer(events.error());
  }
  const auto done = co_await publisher_.publish(std::move(topic), std::move(*events), now);
  if (!done) {
    (done.error().reason == Reason::too_large ? counters.refused : counters.failed).add();
    co_return refusal_answer(done.error());
  }
  const auto duplicates =
      static_cast<std::size_t>(std::ranges::count(done->events, true, &PublishedEvent::duplicate));
  counters.published.add(done->events.size() - duplicates);
  counters.duplicates.add(duplicates);
  co_return publication_answer(*done);
}

net::Task<http::Response> Api::read(TopicPtr topic, std::string query) {
  auto from = reader_.from(http::query_value(query, "from").value_or("0"));
  const auto limit = read_limit(query);
  const auto wait = read_wait(query);
  if (!from || !limit || !wait) {
    co_return refusal_answer(!from ? from.error() : !limit ? limit.error() : wait.error());
  }
  const auto page = *wait == Duration::zero()
                        ? co_await reader_.read(topic->name, std::move(*from), *limit)
                        : co_await reader_.read_or_wait(topic->name, std::move(*from), *limit,
                                                        net::Loop::current()->now() + *wait);
  if (!page) {
    co_return refusal_answer(page.error());
  }
  metrics_.of(topic->name).read.add(page->records.size());
  co_return page_answer(*page);
}

net::Task<bool> Api::stream(const http::Request& request, http::Exchange& exchange) {
  if (request.method != "GET") {
    co_return false;
  }
  const auto topic = topic_of(request.target);
  if (!topic) {
    co_return false;  // handle() says why
  }
  const std::size_t mark = std::min(request.target.find('?'), request.target.size() - 1);
  const std::string asked =
      http::query_value(std::string_view(request.target).substr(mark + 1), "from").value_or("0");
  auto from = reader_.from(request.headers.get("Last-Event-ID").value_or(asked));
  if (!from) {
    exchange.problem({.reason = from.error().reason,
                      .detail = from.error().detail,
                      .retry_after = http::retry_after_seconds(from.error().retry_after)});
    co_return true;
  }
  co_await stream_events(exchange, reader_, metrics_.of((*topic)->name), (*topic)->name, std::move(*from));
  co_return true;
}

}  // namespace flotilla::events
