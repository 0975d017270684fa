#include "flotilla/saga/saga_lists.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/replay.hpp"
#include "flotilla/saga/core/report.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> refuse(Reason reason, std::string detail) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail)});
}

std::unexpected<SagaProblem> unreadable(const Error& error) {
  return refuse(error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable, error.message);
}

Asked<std::monostate> check_state(std::string_view state) {
  if (!state.empty() && !is_state_name(state)) {
    return refuse(Reason::invalid, fmt::format("no saga is ever '{}'", state));
  }
  return std::monostate();
}

}  // namespace

net::Task<Asked<SeenSaga>> read_saga(const SagaStore& store, const DefinitionShelf& shelf, SagaId saga,
                                     bool timeline) {
  auto loaded = co_await store.load(saga);
  if (!loaded) {
    co_return unreadable(loaded.error());
  }
  if (!*loaded) {
    co_return refuse(Reason::not_found, "there is no saga " + saga.text());
  }
  auto replayed = replay((*loaded)->records, shelf, timeline);
  if (!replayed) {
    co_return unreadable(replayed.error());
  }
  SeenSaga seen{
      .state = std::move(replayed->state), .admitted = true, .timeline = std::move(replayed->timeline)};
  if (!seen.state.locks.empty() && !is_terminal(seen.state.phase)) {
    const auto row = co_await store.journal().summary((*loaded)->stream);
    if (!row) {
      co_return unreadable(row.error());
    }
    seen.admitted = !*row || (*row)->state != "scheduled";
  }
  co_return seen;
}

SagaView view_of(SeenSaga seen, bool timeline) {
  SagaView view{.id = seen.state.id,
                .state = std::string(state_name(seen.state, seen.admitted)),
                .terminal = is_terminal(seen.state.phase),
                .body = report(seen.state, seen.admitted)};
  if (timeline) {
    view.body.set("timeline", std::move(seen.timeline));
  }
  return view;
}

net::Task<Asked<SagaPage>> page_of_sagas(journal::Journal& journal, ListRequest request) {
  if (auto checked = check_state(request.state); !checked) {
    co_return std::unexpected(std::move(checked).error());
  }
  journal::SummaryQuery query{.name = std::move(request.name),
                              .state = std::move(request.state),
                              .limit = std::clamp<std::size_t>(request.limit, 1, kMaxListed),
                              .search = std::move(request.search)};
  if (!request.after.empty()) {
    const auto after = parse_int<std::uint64_t>(request.after);
    if (!after || *after > journal::kMaxNumber) {
      co_return refuse(Reason::invalid, fmt::format("'{}' is no token of a page before", request.after));
    }
    query.after = journal::StreamId(*after);
  }
  const std::size_t limit = query.limit;
  const auto rows = co_await journal.list(std::move(query));
  if (!rows) {
    co_return unreadable(rows.error());
  }
  SagaPage page{.items = json::Value::array(), .next = {}};
  for (const journal::Summary& summary : *rows) {
    const auto row = read_row(summary.attributes);
    if (!row) {
      co_return unreadable(row.error());
    }
    json::Value item =
        json::Value::object({{"id", row->id.text()}, {"name", summary.name}, {"state", summary.state}});
    if (!row->reason.empty()) {
      item.set("reason", row->reason);
    }
    if (!row->step.empty()) {
      item.set("step", row->step);
    }
    if (!row->search.empty()) {
      json::Value search = json::Value::object();
      for (const auto& [name, text] : row->search) {
        search.set(name, text);
      }
      item.set("search", std::move(search));
    }
    item.set("created", iso_time({summary.created.value() * 1'000'000}));
    item.set("changed", iso_time({summary.changed.value() * 1'000'000}));
    page.items.push_back(std::move(item));
  }
  if (rows->size() == limit) {
    page.next = std::to_string(rows->back().stream.value());
  }
  co_return page;
}

net::Task<Asked<json::Value>> counts_of_sagas(journal::Journal& journal, CountRequest request) {
  if (auto checked = check_state(request.state); !checked) {
    co_return std::unexpected(std::move(checked).error());
  }
  const auto counts = co_await journal.count(journal::CountQuery{.name = std::move(request.name),
                                                                 .state = std::move(request.state),
                                                                 .search = std::move(request.search)});
  if (!counts) {
    co_return unreadable(counts.error());
  }
  json::Value items = json::Value::array();
  for (const journal::StateCount& each : *counts) {
    items.push_back(json::Value::object({{"name", each.name}, {"state", each.state}, {"count", each.count}}));
  }
  co_return items;
}

}  // namespace flotilla::saga
