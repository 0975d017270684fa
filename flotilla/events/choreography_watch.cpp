#include "flotilla/events/choreography_watch.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::events {
namespace {

// Between two looks, however fast the journal moves.
constexpr Duration kBreath = std::chrono::milliseconds(100);
// After which it looks whether it still is its turn.
constexpr Duration kTurn = std::chrono::seconds(1);

std::int64_t now_ms() { return net::wall_now().ns_since_epoch / 1'000'000; }

}  // namespace

net::Task<> ChoreographyWatch::run(net::Loop& loop) {
  loop_ = &loop;
  WatchEffect next = watch_.start();
  for (;;) {
    const auto seat = rows_.seat(choreography_->name);
    if (!seat) {
      watch_ = DeadlineWatch();
      next = watch_.start();
      co_await net::sleep_for(loop, kElsewhere);
      continue;
    }
    shard_ = *seat;
    if (auto* const look = std::get_if<LookAtDue>(&next)) {
      next = co_await carry_out(*look);
    } else if (auto* const tell = std::get_if<TellOverdue>(&next)) {
      next = co_await carry_out(std::move(*tell));
    } else {
      next = co_await carry_out(std::get<Rest>(next));
    }
  }
}

WatchEffect ChoreographyWatch::failed(const Refusal& refusal) {
  ++counters_->failures;
  if (refusal.detail != trouble_) {
    log::warning("choreography {}: what is overdue cannot be told for now: {}", choreography_->name,
                 refusal.detail);
    trouble_ = refusal.detail;
  }
  return watch_.failed(now_ms());
}

net::Task<WatchEffect> ChoreographyWatch::carry_out(LookAtDue /*look*/) {
  const auto page = co_await rows_.rows(choreography_->name, {.key = std::string(kDueKey), .rows = kDuePage});
  if (!page) {
    if (page.error().reason == Reason::behind) {  // nothing is wrong: it is being built
      co_return watch_.failed(now_ms());
    }
    co_return failed(page.error());
  }
  std::vector<DueRow> due;
  for (const journal::FoldRow& row : page->rows) {
    auto read = read_due_row(row.name.row, row.value);
    if (!read) {
      co_return failed({.reason = Reason::store_unavailable, .detail = read.error().message});
    }
    due.push_back(std::move(*read));
  }
  co_return watch_.looked(std::move(due), page->position, now_ms());
}

net::Task<WatchEffect> ChoreographyWatch::carry_out(TellOverdue tell) {
  const WallTime now = net::wall_now();
  auto event = complete(*topic_, alert_event(*choreography_, tell.due), {}, now, random_);
  if (!event) {
    co_return failed(event.error());
  }
  std::vector<CompleteEvent> events;
  events.push_back(std::move(*event));
  const auto done = co_await publisher_.publish_in(shard_, topic_, std::move(events), now);
  if (!done) {
    co_return failed(done.error());
  }
  trouble_.clear();
  if (!done->events.front().duplicate) {
    ++counters_->told;
    log::warning("choreography {}: transaction {} is overdue: nothing has followed {} in time",
                 choreography_->name, tell.due.id, tell.due.after);
  }
  co_return watch_.told(done->position, now_ms());
}

net::Task<WatchEffect> ChoreographyWatch::carry_out(Rest rest) {
  const std::int64_t pause = std::max<std::int64_t>(rest.until_ms - now_ms(), 0);
  const Instant deadline = saturating_add(loop_->now(), std::chrono::milliseconds(pause));
  bool come = false;
  while (!come && loop_->now() < deadline && rows_.seat(choreography_->name)) {
    const Instant turn = std::min(deadline, saturating_add(loop_->now(), kTurn));
    come = rest.position ? (co_await rows_.await(choreography_->name, *rest.position, turn)).has_value()
                         : (co_await rows_.await_more(choreography_->name, rest.seen, turn)).has_value();
    const Instant breath = saturating_add(loop_->now(), kBreath);
    co_await net::sleep_until(*loop_, come ? std::min(breath, deadline) : turn);
  }
  co_return watch_.rested();
}

}  // namespace flotilla::events
