#include "flotilla/events/correlation_api.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/base64.hpp"
#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/base/ulid.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/events/core/choreography_fold.hpp"
#include "flotilla/events/subscription_batch.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::events {
namespace {

std::int64_t now_ms() { return net::wall_now().ns_since_epoch / 1'000'000; }

// The keys that lists of a state go through, in this order.
std::vector<std::string> keys_of(std::optional<InstanceState> state) {
  if (!state) {
    return {state_key(InstanceState::ok), state_key(InstanceState::open), state_key(InstanceState::overdue),
            state_key(InstanceState::undone)};
  }
  if (*state == InstanceState::overdue) {
    return {std::string(kDueKey), state_key(InstanceState::overdue)};
  }
  return {state_key(*state)};
}

}  // namespace

bool CorrelationApi::serves(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.starts_with(kPrefix) && (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

net::Task<http::Response> CorrelationApi::handle(http::Request request, net::SocketAddress /*peer*/) {
  return answer(std::move(request), kPrefix);
}

net::Task<http::Response> CorrelationApi::handle_operator(http::Request request,
                                                          net::SocketAddress /*peer*/) {
  return answer(std::move(request), kOperatorPrefix);
}

net::Task<http::Response> CorrelationApi::answer(http::Request request, std::string_view prefix) {
  auto path = http::read_api_path(request.target, prefix);
  if (!path && path.error() == http::NoApiPath::malformed) {
    co_return refusal_answer({.reason = Reason::malformed,
                              .detail = "the path has a % that is not followed by two hexadecimal digits"});
  }
  if (!path || path->segments.size() > 1 || (path->segments.size() == 1 && path->segments[0].empty())) {
    co_return refusal_answer(
        {.reason = Reason::not_found,
         .detail = fmt::format("the API has no such path; transactions are at {0} and {0}/{{id}}", prefix)});
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  const std::string read_after(request.headers.get("Read-After").value_or(""));
  if (const auto come = co_await await(path->query, read_after); !come) {
    co_return refusal_answer(come.error());
  }
  co_return path->segments.empty() ? co_await list(std::move(path->query))
                                   : co_await show(std::move(path->segments[0]));
}

net::Task<Asked<Done>> CorrelationApi::await(std::string_view query, std::string_view read_after) {
  if (read_after.empty()) {
    co_return Done();
  }
  const auto wanted = journal::ReadToken::parse(read_after, sources_.journal.shards());
  if (!wanted) {
    co_return refuse(Reason::malformed, fmt::format("Read-After: '{}' is no Position that an answer named",
                                                    read_after.substr(0, 64)));
  }
  Duration wait = kWait;
  if (const auto text = http::query_value(query, "wait")) {
    const auto asked = config::parse_duration(*text);
    if (!asked || *asked > kMaxWait) {
      co_return refuse(
          Reason::malformed,
          fmt::format("wait: expected a duration of at most {}, such as 200ms", show_duration(kMaxWait)));
    }
    wait = *asked;
  }
  const Instant deadline = saturating_add(net::Loop::current()->now(), wait);
  for (const ChoreographyPtr& each : sources_.rows.choreographies()) {
    for (std::uint32_t shard = 0; shard < wanted->shards(); ++shard) {
      const journal::Position position = wanted->at(shard);
      if (position.number() == 0) {
        continue;
      }
      if (auto come = co_await sources_.rows.await(each->name, position, deadline); !come) {
        co_return come;
      }
    }
  }
  co_return Done();
}

net::Task<Asked<Done>> CorrelationApi::add_instance(ChoreographyPtr choreography, std::string id,
                                                    PictureParts& parts) {
  const bool known = std::ranges::any_of(parts.instances, [&](const FoundInstance& each) {
    return each.choreography == choreography && each.instance.id == id;
  });
  if (known || parts.instances.size() >= kMaxPictureInstances) {
    co_return Done();
  }
  const auto page = co_await sources_.rows.rows(choreography->name, {.key = instance_key(id), .rows = 1});
  if (!page) {
    co_return std::unexpected(page.error());
  }
  if (page->rows.empty()) {
    co_return Done();
  }
  const auto value = json::parse(page->rows.front().value);
  auto instance = value ? read_instance(*value) : Result<Instance>(std::unexpected(value.error()));
  if (!instance) {
    co_return refuse(Reason::store_unavailable, instance.error().message);
  }
  parts.instances.push_back({.choreography = std::move(choreography), .instance = std::move(*instance)});
  co_return Done();
}

// Under its own id, under those whose correlation it is, and what came under their correlations alone.
net::Task<Asked<Done>> CorrelationApi::find(std::string id, PictureParts& parts) {
  for (const ChoreographyPtr& each : sources_.rows.choreographies()) {
    if (auto added = co_await add_instance(each, id, parts); !added) {
      co_return added;
    }
    const auto aliases =
        co_await sources_.rows.rows(each->name, {.key = alias_key(id), .rows = kMaxPictureInstances});
    if (!aliases) {
      co_return std::unexpected(aliases.error());
    }
    for (const journal::FoldRow& row : aliases->rows) {
      if (auto added = co_await add_instance(each, row.name.row, parts); !added) {
        co_return added;
      }
    }
  }
  for (std::size_t i = 0; i < parts.instances.size(); ++i) {
    const std::vector<std::string> correlations = parts.instances[i].instance.correlations;
    for (const std::string& correlation : correlations) {
      if (auto added = co_await add_instance(parts.instances[i].choreography, correlation, parts); !added) {
        co_return added;
      }
    }
  }
  co_return Done();
}

net::Task<Asked<Done>> CorrelationApi::add_groups(PictureParts& parts) {
  for (const SubscriptionPtr& each : sources_.subscriptions()) {
    const SubscriptionPolicy& policy = each->policy;
    std::set<std::uint32_t> concerned;  // shards
    for (const FoundInstance& found : parts.instances) {
      for (const InstanceEvent& event : found.instance.events) {
        if (event.topic == policy.topic) {
          concerned.insert(event.position.shard());
        }
      }
    }
    GroupProgress group{.name = policy.name, .topic = policy.topic, .progress = {}};
    for (const std::uint32_t shard : concerned) {
      const auto cursor = co_await sources_.journal.cursor(
          cursor_name(policy.name, {.shard = shard, .shards = sources_.journal.shards()}));
      if (!cursor) {
        co_return refuse(Reason::store_unavailable, cursor.error().message);
      }
      SubscriptionProgress& here = group.progress[shard];
      if (*cursor) {
        auto progress = decode_progress((*cursor)->position.number(), (*cursor)->state);
        if (!progress) {
          co_return refuse(Reason::store_unavailable, progress.error().message);
        }
        here = std::move(*progress);
      }
    }
    if (!concerned.empty()) {
      parts.groups.push_back(std::move(group));
    }
  }
  co_return Done();
}

net::Task<> CorrelationApi::add_sagas(PictureParts& parts) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (Ulid::parse(id) && std::ranges::find(ids, id) == ids.end() && ids.size() < kMaxInstanceSagas) {
      ids.push_back(id);
    }
  };
  add(parts.id);
  for (const FoundInstance& found : parts.instances) {
    std::ranges::for_each(found.instance.sagas, add);
    add(found.instance.id);
    std::ranges::for_each(found.instance.correlations, add);  // by itself a saga's correlation is its id
  }
  for (const std::string& id : ids) {
    if (json::Value saga = co_await sources_.saga(id); !saga.is_null()) {
      parts.sagas.push_back(std::move(saga));
    }
  }
}

net::Task<http::Response> CorrelationApi::show(std::string id) {
  PictureParts parts{.id = id, .instances = {}, .groups = {}, .sagas = {}};
  if (const auto found = co_await find(id, parts); !found) {
    co_return refusal_answer(found.error());
  }
  if (const auto added = co_await add_groups(parts); !added) {
    co_return refusal_answer(added.error());
  }
  co_await add_sagas(parts);
  if (parts.instances.empty() && parts.sagas.empty()) {
    co_return refusal_answer(
        {.reason = Reason::not_found,
         .detail =
             fmt::format("there is nothing of a transaction '{}': no choreography of the file follows it, "
                         "or it was forgotten",
                         id.substr(0, kMaxInstanceText))});
  }
  co_return http::json_response(json::write(picture(parts, now_ms())));
}

Asked<CorrelationApi::List> CorrelationApi::read_list(std::string_view query) const {
  List list;
  list.choreography = http::query_value(query, "choreography").value_or("");
  if (const auto text = http::query_value(query, "state"); text && !text->empty()) {
    list.state = parse_instance_state(*text);
    if (!list.state) {
      return refuse(Reason::malformed, "state: expected open, overdue, ok or undone");
    }
  }
  if (const auto text = http::query_value(query, "limit")) {
    const auto limit = parse_int<std::size_t>(*text);
    if (!limit || *limit == 0 || *limit > kMaxListed) {
      return refuse(Reason::malformed, fmt::format("limit: expected a number from 1 to {}", kMaxListed));
    }
    list.limit = *limit;
  }
  if (const auto text = http::query_value(query, "after")) {
    const auto bytes = base64_decode(*text);
    const std::size_t first = bytes ? bytes->find('\n') : std::string::npos;
    const std::size_t second = first == std::string::npos ? first : bytes->find('\n', first + 1);
    if (second == std::string::npos) {
      return refuse(Reason::malformed, "after: expected the `next` of a page before");
    }
    list.after = List::After{.choreography = bytes->substr(0, first),
                             .key = bytes->substr(first + 1, second - first - 1),
                             .row = bytes->substr(second + 1)};
  }
  return list;
}

net::Task<Asked<bool>> CorrelationApi::list_key(const List& list, std::string choreography, std::string key,
                                                Listed& listed) {
  std::optional<std::string> after;
  if (list.after && list.after->choreography == choreography && list.after->key == key) {
    after = list.after->row;
  }
  const std::int64_t now = now_ms();
  for (;;) {
    const std::size_t wanted = list.limit - listed.items.size();
    const auto page = co_await sources_.rows.rows(choreography, {.key = key, .after = after, .rows = wanted});
    if (!page) {
      co_return std::unexpected(page.error());
    }
    for (const journal::FoldRow& row : page->rows) {
      const auto at = read_timed_name(row.name.row);
      const auto value = json::parse(row.value);
      if (!at || !value || (key == kDueKey && at->ms > now)) {
        co_return false;  // nothing of it is due any more
      }
      const bool by_due = key == kDueKey;
      json::Value item =
          by_due ? list_item(choreography, at->id, (*value)["summary"], at->ms, now)
                 : list_item(choreography, at->id, *value, (*value)["due"].as_int().value_or(0), now);
      // What was told of already stands among the overdue, too.
      const bool twice = by_due && (*value)["summary"]["state"] == json::Value("overdue");
      const bool wanted_state = !list.state || item["state"] == json::Value(to_string(*list.state));
      if (!item.is_null() && wanted_state && !twice) {
        listed.items.push_back(std::move(item));
      }
      after = row.name.row;
    }
    listed.looked += page->rows.size();
    if (page->at_end) {
      co_return false;
    }
    if (listed.items.size() >= list.limit || listed.looked >= kMaxLooked) {
      listed.next = List::After{.choreography = choreography, .key = key, .row = *after};
      co_return true;
    }
  }
}

net::Task<http::Response> CorrelationApi::list(std::string query) {
  const auto list = read_list(query);
  if (!list) {
    co_return refusal_answer(list.error());
  }
  Listed listed;
  bool found = list->choreography.empty();
  bool reached = !list->after;  // the place where the page before ended
  bool full = false;
  for (const ChoreographyPtr& each : sources_.rows.choreographies()) {
    if (!list->choreography.empty() && each->name != list->choreography) {
      continue;
    }
    found = true;
    for (const std::string& key : keys_of(list->state)) {
      reached = reached || (list->after->choreography == each->name && list->after->key == key);
      if (!reached || full) {
        continue;
      }
      if (listed.items.size() >= list->limit) {  // exactly full at the end of the key before
        listed.next = List::After{.choreography = each->name, .key = key, .row = {}};
        full = true;
        continue;
      }
      const auto more = co_await list_key(*list, each->name, key, listed);
      if (!more) {
        co_return refusal_answer(more.error());
      }
      full = *more;
    }
  }
  if (!found) {
    co_return refusal_answer(
        {.reason = Reason::not_found,
         .detail = fmt::format("the file names no choreography '{}'; declare it under `choreographies:`",
                               list->choreography.substr(0, kMaxTopicName))});
  }
  json::Value next;
  if (listed.next) {
    next = base64_encode(
        fmt::format("{}\n{}\n{}", listed.next->choreography, listed.next->key, listed.next->row));
  }
  co_return http::json_response(json::write(json::Value::object({{"items", listed.items}, {"next", next}})));
}

}  // namespace flotilla::events
