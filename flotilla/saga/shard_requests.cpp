// The requests of service.hpp, as far as they concern one shard.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/report.hpp"
#include "flotilla/saga/shard.hpp"
#include "flotilla/saga/shard_waiting.hpp"

namespace flotilla::saga {
namespace {

using What = effect::Reply::What;

std::unexpected<SagaProblem> refuse(Reason reason, std::string detail, std::uint16_t status = 0) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail), .status = status});
}

std::unexpected<SagaProblem> no_saga(SagaId saga) {
  return refuse(Reason::not_found, "there is no saga " + saga.text());
}

std::unexpected<SagaProblem> unreadable(const Error& error) {
  return refuse(error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable, error.message);
}

std::unexpected<SagaProblem> is_draining() {
  return refuse(Reason::draining, "this process is about to stop: ask again");
}

// What the engine did not do, as a problem; nothing for what it did.
std::optional<SagaProblem> problem_of(const effect::Reply& reply, const journal::Journal& journal) {
  const auto problem = [&](Reason reason, std::string_view otherwise, std::uint16_t status = 0) {
    return SagaProblem{.reason = reason,
                       .detail = reply.detail.empty() ? std::string(otherwise) : reply.detail,
                       .status = status};
  };
  switch (reply.what) {
    case What::accepted:
    case What::existing:
    case What::duplicate:
    case What::going_on:
    case What::pivot_decides:
      return std::nullopt;
    case What::key_reused:
      return problem(Reason::key_reused,
                     fmt::format("saga {} was started under this key with another input", reply.saga.text()));
    case What::locked:
      return problem(Reason::conflict, "a lock is held by another saga", 423);
    case What::invalid:
      return problem(Reason::invalid, "the request is not valid");
    case What::conflict:
      return problem(Reason::conflict, "the saga's state does not allow it");
    case What::overloaded:
      return problem(Reason::overloaded, "too many requests wait");
    case What::unavailable: {
      auto unavailable = problem(Reason::store_unavailable, "the journal did not take it");
      if (const std::string why = journal.health().reason; !why.empty()) {  // the disk is full, or worse
        unavailable.detail += ": " + why;
      }
      return unavailable;
    }
  }
  return problem(Reason::store_unavailable, "");
}

SagaView view_of(const SagaState& state, bool admitted) {
  return {.id = state.id,
          .state = std::string(state_name(state, admitted)),
          .terminal = is_terminal(state.phase),
          .body = report(state, admitted)};
}

}  // namespace

net::Task<Asked<Shard::Started>> Shard::start(input::Submit submit) {
  if (draining_ || stopped_) {
    co_return is_draining();
  }
  Asking asking(*this);
  submit.waiter = asking.number;
  feed(std::move(submit));
  while (!asking.reply) {
    co_await asking.answered.wait();
  }
  if (!*asking.reply) {
    co_return std::unexpected(asking.reply->error());
  }
  const effect::Reply& reply = **asking.reply;
  if (auto problem = problem_of(reply, commons_.store.journal())) {
    co_return std::unexpected(*std::move(problem));
  }
  co_return Started{.saga = reply.saga, .existing = reply.what == What::existing};
}

net::Task<Asked<What>> Shard::ask(SagaId saga, Input input) {
  if (draining_ || stopped_) {
    co_return is_draining();
  }
  Asking asking(*this);
  std::visit(
      [&](auto& in) {
        if constexpr (requires { in.waiter; }) {
          in.waiter = asking.number;
        }
      },
      input);
  deliver(saga, std::move(input));
  while (!asking.reply) {
    co_await asking.answered.wait();
  }
  if (!*asking.reply) {
    co_return std::unexpected(asking.reply->error());
  }
  if (auto problem = problem_of(**asking.reply, commons_.store.journal())) {
    co_return std::unexpected(*std::move(problem));
  }
  co_return (*asking.reply)->what;
}

net::Task<Asked<Shard::Seen>> Shard::look(SagaId saga, bool timeline) {
  if (!timeline) {
    if (const SagaState* const state = engine_.state(saga)) {
      Seen seen{.state = *state, .admitted = engine_.admitted(saga), .timeline = {}};
      for (const Run& run : engine_.life(saga)->runs) {
        seen.state.steps[run.step].attempts = run.attempts;  // of what is under way; no record tells yet
      }
      co_return seen;
    }
  }
  auto loaded = co_await commons_.store.load(saga);
  if (!loaded) {
    co_return unreadable(loaded.error());
  }
  if (!*loaded) {
    co_return no_saga(saga);
  }
  Seen seen{.state = {}, .admitted = true, .timeline = json::Value::array()};
  std::uint64_t seq = 0;
  for (const StoredRecord& stored : (*loaded)->records) {
    const RecordMeta meta{.seq = ++seq, .epoch = stored.epoch, .time = stored.time};
    const auto record = decode(stored.type, stored.body);
    const auto folded =
        record ? apply(seen.state, *record, meta, commons_.shelf) : Result<>(std::unexpected(record.error()));
    if (!folded) {
      co_return unreadable(folded.error());
    }
    if (timeline) {
      seen.timeline.push_back(report(*record, meta, *seen.state.definition));
    }
  }
  seen.admitted = seen.state.locks.empty() || is_terminal(seen.state.phase) || commons_.locks.holds(saga);
  co_return seen;
}

net::Task<Asked<SagaView>> Shard::show(SagaId saga, bool timeline) {
  auto seen = co_await look(saga, timeline);
  if (!seen) {
    co_return std::unexpected(seen.error());
  }
  SagaView view = view_of(seen->state, seen->admitted);
  if (timeline) {
    view.body.set("timeline", std::move(seen->timeline));
  }
  co_return view;
}

net::Task<Asked<SagaView>> Shard::end_of(SagaId saga, Duration wait) {
  const Instant deadline = saturating_add(host_.loop->now(), std::min(wait, kMaxWait));
  EndWait waiting(*this, saga);
  for (;;) {
    if (waiting.last != nullptr) {
      co_return view_of(*waiting.last, true);
    }
    const SagaState* const state = engine_.state(saga);
    if (state == nullptr) {
      auto seen = co_await show(saga, false);
      // One that a process before left, and that is not taken up yet, is waited for as any other.
      const bool open = seen && !seen->terminal && seen->state != "suspended";
      if (!open || draining_ || host_.loop->now() >= deadline) {
        co_return seen;
      }
      if (engine_.state(saga) == nullptr && waiting.last == nullptr) {
        (void)co_await waiting.changed.wait(deadline);
      }
      continue;
    }
    const bool over = is_terminal(state->phase) || state->suspended || draining_;
    if (over || host_.loop->now() >= deadline) {
      co_return co_await show(saga, false);
    }
    (void)co_await waiting.changed.wait(deadline);
  }
}

net::Task<Asked<StepIndex>> Shard::find_step(SagaId saga, std::string name) {
  const auto seen = co_await look(saga, false);
  if (!seen) {
    co_return std::unexpected(seen.error());
  }
  const auto step = seen->state.definition->find(name);
  if (!step) {
    co_return refuse(Reason::not_found,
                     fmt::format("saga '{}' has no step '{}'", seen->state.definition->name, name));
  }
  co_return *step;
}

net::Task<Asked<DefinitionPtr>> Shard::migration_target(SagaId saga, std::string hash) {
  if (!hash.empty()) {
    if (const auto fetched = co_await commons_.store.fetch_definition(hash); !fetched) {
      co_return refuse(Reason::not_found, fetched.error().message);
    }
    co_return commons_.shelf.find(hash);
  }
  const auto seen = co_await look(saga, false);
  if (!seen) {
    co_return std::unexpected(seen.error());
  }
  const std::string& name = seen->state.definition->name;
  DefinitionPtr current = commons_.shelf.current(name);
  if (current == nullptr) {
    co_return refuse(Reason::not_found, fmt::format("the file has no saga '{}' any more", name));
  }
  co_return current;
}

net::Task<Asked<SagaPage>> Shard::list(ListRequest request) {
  journal::SummaryQuery query{.name = std::move(request.name),
                              .state = std::move(request.state),
                              .limit = std::clamp<std::size_t>(request.limit, 1, kMaxListed)};
  if (!query.state.empty() && !is_state_name(query.state)) {
    co_return refuse(Reason::invalid, fmt::format("no saga is ever '{}'", query.state));
  }
  if (!request.after.empty()) {
    const auto after = parse_int<std::uint64_t>(request.after);
    if (!after || *after > journal::kMaxNumber) {
      co_return refuse(Reason::invalid, fmt::format("'{}' is no token of a page before", request.after));
    }
    query.after = journal::StreamId(*after);
  }
  const std::size_t limit = query.limit;
  const auto rows = co_await commons_.store.journal().list(std::move(query));
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
    item.set("created", iso_time({summary.created.value() * 1'000'000}));
    item.set("changed", iso_time({summary.changed.value() * 1'000'000}));
    page.items.push_back(std::move(item));
  }
  if (rows->size() == limit) {
    page.next = std::to_string(rows->back().stream.value());
  }
  co_return page;
}

net::Task<Asked<json::Value>> Shard::count() {
  const auto counts = co_await commons_.store.journal().count(journal::RecordClass::saga);
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
