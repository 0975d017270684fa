// What the world's clients ask and are told, saga by saga, and whether that has an order.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/saga/core/report.hpp"
#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {

std::size_t World::ask(Asking asking, SagaId saga, std::string key, std::string text) {
  recorded_.push_back({.exchange = {.asking = asking, .text = std::move(text), .asked = recorded_instant_++},
                       .saga = saga,
                       .key = std::move(key)});
  return recorded_.size() - 1;
}

void World::tell(std::size_t asked, Told told, SagaId saga) {
  Recorded& recorded = recorded_[asked];
  recorded.exchange.told = told;
  recorded.exchange.answered = recorded_instant_++;
  recorded.saga = recorded.saga.is_none() ? saga : recorded.saga;
}

// A client looks at a saga, which takes no time. At the end operators have sent signals as well.
void World::look(SagaId saga, bool at_the_end) {
  const Stream& stream = streams_.at(saga);
  const SagaState* const live = current().engine->state(saga);
  const SagaState& state = live == nullptr ? stream.oracle.state() : *live;
  const bool admitted = live == nullptr ? stream.locks.empty() || current().locks.holds(saga)
                                        : current().engine->admitted(saga);
  const std::size_t asked = ask(Asking::show, saga, {}, {});
  View& view = recorded_[asked].exchange.view;
  view.state = state_name(state, admitted);
  view.seq = state.seq;
  view.cancelled = state.abort.cause == Cause::cancel;
  if (!at_the_end) {
    view.signals = state.signals_seen;
  }
  tell(asked, Told::seen, saga);
}

void World::check_orders() {
  std::unordered_map<SagaId, std::vector<Exchange>> histories;
  for (const Recorded& each : recorded_) {
    const auto claim = claims_.find(each.key);
    const SagaId saga = each.key.empty() || claim == claims_.end() ? each.saga : claim->second.first;
    if (!saga.is_none()) {
      histories[saga].push_back(each.exchange);
    }
  }
  for (const SagaId saga : order_) {
    std::vector<Exchange>& history = histories[saga];
    if (std::ranges::find(history, Asking::start, &Exchange::asking) == history.end()) {
      history.push_back({.asking = Asking::start, .text = {}});  // its parent's, or nobody was told
    }
    const Order order = find_order(history);
    ++coverage_.histories;
    coverage_.undecided += order.is == Order::Is::undecided ? 1 : 0;
    if (order.is == Order::Is::missing) {
      violated("order: what clients were told of it has none:\n" + order.history, saga);
      return;
    }
  }
}

}  // namespace flotilla::saga::simulation
