// The requests of service.hpp, as far as they concern one shard.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/saga/core/report.hpp"
#include "flotilla/saga/shard.hpp"
#include "flotilla/saga/shard_waiting.hpp"

namespace flotilla::saga {
namespace {

using What = effect::Reply::What;

std::unexpected<SagaProblem> refuse(Reason reason, std::string detail, std::uint16_t status = 0) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail), .status = status});
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
  // What needed no record goes by what this process remembers: it may be the loser's, who does not know yet.
  if ((*asking.reply)->what != What::accepted && !lease_outlasts(Duration::zero())) {
    co_return std::unexpected(SagaProblem{.reason = Reason::store_unavailable,
                                          .detail = "the saga's shard has left this process: ask again",
                                          .retry_after = std::chrono::seconds(1)});
  }
  if (auto problem = problem_of(**asking.reply, commons_.store.journal())) {
    co_return std::unexpected(*std::move(problem));
  }
  co_return (*asking.reply)->what;
}

net::Task<Asked<SeenSaga>> Shard::look(SagaId saga, bool timeline) {
  if (!timeline && lease_outlasts(Duration::zero())) {  // else another process may have gone on with it
    if (const SagaState* const state = engine_.state(saga)) {
      SeenSaga seen{.state = *state, .admitted = engine_.admitted(saga), .timeline = {}};
      for (const Run& run : engine_.life(saga)->runs) {
        seen.state.steps[run.step].attempts = run.attempts;  // of what is under way; no record tells yet
      }
      co_return seen;
    }
  }
  auto seen = co_await read_saga(commons_.store, commons_.shelf, saga, timeline);
  if (seen) {
    const SagaState& state = seen->state;
    seen->admitted = state.locks.empty() || is_terminal(state.phase) || commons_.locks.holds(saga);
  }
  co_return seen;
}

net::Task<Asked<SagaView>> Shard::show(SagaId saga, bool timeline) {
  auto seen = co_await look(saga, timeline);
  if (!seen) {
    co_return std::unexpected(seen.error());
  }
  co_return view_of(*std::move(seen), timeline);
}

net::Task<Asked<SagaView>> Shard::end_of(SagaId saga, Duration wait) {
  const Instant deadline = saturating_add(host_.loop->now(), std::min(wait, kMaxWait));
  EndWait waiting(*this, saga);
  for (;;) {
    if (waiting.last != nullptr) {
      co_return view_of({.state = *waiting.last, .admitted = true, .timeline = {}}, false);
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

}  // namespace flotilla::saga
