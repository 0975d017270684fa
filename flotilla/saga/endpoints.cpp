#include "flotilla/saga/endpoints.hpp"

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/saga/answers.hpp"
#include "flotilla/saga/asked.hpp"
#include "flotilla/saga/core/definition.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> problem(Reason reason, std::string detail) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail)});
}

// search.NAME=TEXT, each.
Asked<std::vector<std::pair<std::string, std::string>>> read_search(std::string_view query) {
  constexpr std::string_view kSearch = "search.";
  std::vector<std::pair<std::string, std::string>> found;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::string_view key = pair.substr(0, pair.find('='));
    if (!key.starts_with(kSearch)) {
      continue;
    }
    auto text = http::query_value(pair, key);
    if (!text || text->empty() || key.size() == kSearch.size() || found.size() == kMaxSearched) {
      return problem(Reason::malformed,
                     fmt::format("search: expected search.NAME=TEXT, at most {} times", kMaxSearched));
    }
    found.emplace_back(key.substr(kSearch.size()), *std::move(text));
  }
  return found;
}

// What lists and counts have in common.
template <class Request>
Asked<Request> read_filter(std::string_view query) {
  Request request;
  request.name = http::query_value(query, "name").value_or("");
  request.state = http::query_value(query, "state").value_or("");
  auto search = read_search(query);
  if (!search) {
    return std::unexpected(search.error());
  }
  request.search = *std::move(search);
  return request;
}

Asked<ListRequest> read_list(std::string_view query) {
  auto request = read_filter<ListRequest>(query);
  if (!request) {
    return request;
  }
  request->after = http::query_value(query, "after").value_or("");
  if (const auto limit = http::query_value(query, "limit")) {
    const auto number = parse_int<std::size_t>(*limit);
    if (!number || *number == 0 || *number > kMaxListed) {
      return problem(Reason::malformed, fmt::format("limit: expected a number from 1 to {}", kMaxListed));
    }
    request->limit = *number;
  }
  return request;
}

Asked<bool> read_timeline(std::string_view query) {
  const auto timeline = http::query_value(query, "timeline");
  if (timeline && *timeline != "true" && *timeline != "false") {
    return problem(Reason::malformed, "timeline: expected true or false");
  }
  return timeline == "true";
}

}  // namespace

Asked<std::optional<Target>> read_target(std::string_view target, std::string_view prefix) {
  const std::size_t mark = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, mark);
  if (!path.starts_with(prefix) || (path.size() > prefix.size() && path[prefix.size()] != '/')) {
    return std::nullopt;
  }
  path.remove_prefix(prefix.size());
  Target read{.segments = {}, .query = std::string(mark == target.size() ? "" : target.substr(mark + 1))};
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = http::percent_decode(path.substr(0, end));
    if (!segment) {
      return problem(Reason::malformed, "the path has a % that is not followed by two hexadecimal digits");
    }
    read.segments.push_back(std::move(*segment));
    path.remove_prefix(end);
  }
  return read;
}

Asked<SagaId> read_id(std::string_view text) {
  const auto id = SagaId::parse(text);
  return id ? Asked<SagaId>(*id)
            : problem(Reason::not_found,
                      fmt::format("no saga \"{}\": an id has 26 characters, as 01JZ6X7Q8R9S0T1V2W3X4Y5Z6A",
                                  text.substr(0, kMaxNameBytes)));
}

net::Task<http::Response> show_saga(Sagas& sagas, std::string id, std::string query) {
  const auto saga = read_id(id);
  if (!saga) {
    co_return problem_answer(saga.error());
  }
  const auto timeline = read_timeline(query);
  if (!timeline) {
    co_return problem_answer(timeline.error());
  }
  const auto view = co_await sagas.show(*saga, *timeline);
  co_return view ? json_answer(view->body) : problem_answer(view.error());
}

net::Task<http::Response> list_sagas(Sagas& sagas, std::string query) {
  auto request = read_list(query);
  if (!request) {
    co_return problem_answer(request.error());
  }
  const auto page = co_await sagas.list(std::move(*request));
  if (!page) {
    co_return problem_answer(page.error());
  }
  const json::Value next = page->next.empty() ? json::Value() : json::Value(page->next);
  co_return json_answer(json::Value::object({{"items", page->items}, {"next", next}}));
}

net::Task<http::Response> count_sagas(Sagas& sagas, std::string query) {
  auto request = read_filter<CountRequest>(query);
  if (!request) {
    co_return problem_answer(request.error());
  }
  const auto counts = co_await sagas.count(*std::move(request));
  co_return counts ? json_answer(json::Value::object({{"items", *counts}, {"next", nullptr}}))
                   : problem_answer(counts.error());
}

net::Task<http::Response> cancel_saga(Sagas& sagas, CancelRequest request) {
  auto cancelled = co_await sagas.cancel(std::move(request));
  if (!cancelled) {
    co_return problem_answer(cancelled.error());
  }
  if (cancelled->pivot_decides) {
    cancelled->saga.body.set("decided_by", json::Value("pivot"));
  }
  co_return saga_answer(cancelled->saga);
}

net::Task<http::Response> signal_saga(Sagas& sagas, std::string id, std::string name, http::Request request) {
  const auto saga = read_id(id);
  if (!saga) {
    co_return problem_answer(saga.error());
  }
  auto key = read_key(field_values(request.headers, "Idempotency-Key"));
  if (!key) {
    co_return problem_answer(key.error());
  }
  auto payload = request.body.empty() ? Asked<json::Value>(json::Value()) : read_payload(request.body);
  if (!payload) {
    co_return problem_answer(payload.error());
  }
  const auto done = co_await sagas.signal(
      {.saga = *saga, .name = std::move(name), .id = std::move(*key), .payload = std::move(*payload)});
  co_return done ? json_answer(json::Value::object({{"duplicate", done->duplicate}}), 202)
                 : problem_answer(done.error());
}

std::vector<std::string_view> field_values(const http::Fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  for (const http::Field& field : fields) {
    if (iequals(field.name, name)) {
      values.emplace_back(field.value);
    }
  }
  return values;
}

}  // namespace flotilla::saga
