#include "flotilla/events/core/simulation/choreography_oracle.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace flotilla::events::simulation {
namespace {

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

struct Began {
  std::uint64_t position;
  std::int64_t due_ms;
};

// One queue of what waits for an event of these topics.
class Queue {
 public:
  Queue(const Expectation& expectation, std::vector<std::string> topics,
        const std::vector<const Fact*>& events) {
    for (const Fact* const event : events) {
      if (has(topics, event->topic) && !waiting_.empty()) {
        fulfilled_.insert(event->position);
        if (waiting_.front().due_ms != 0 && waiting_.front().due_ms < event->recorded_ms) {
          late_.insert(event->position);
        }
        waiting_.pop_front();
      }
      if (event->topic == expectation.after) {
        const std::int64_t within = to_millis(expectation.within);
        waiting_.push_back({event->position, within == 0 ? 0 : event->recorded_ms + within});
      }
    }
  }
  std::deque<Began> waiting_;
  std::set<std::uint64_t> fulfilled_;
  std::set<std::uint64_t> late_;
};

}  // namespace

Verdict judge(const Choreography& c, const std::vector<Fact>& facts) {
  std::vector<const Fact*> events;
  std::map<std::string, std::int64_t> told;  // "POSITION of what it follows/topics", when first
  Verdict out;
  for (const Fact& fact : facts) {
    if (fact.topic == c.on_overdue) {
      ++out.told;
      told.try_emplace(fact.id, fact.recorded_ms);
    } else if (fact.group.empty()) {
      events.push_back(&fact);
    }
  }
  std::set<std::uint64_t> fulfilled;
  std::set<std::uint64_t> late;
  for (std::size_t i = 0; i < c.expect.size(); ++i) {
    const Expectation& each = c.expect[i];
    std::map<std::uint64_t, ExpectedWait> open;  // by what began it
    std::vector<std::vector<std::string>> queues{each.topics};
    if (each.all) {
      queues.clear();
      for (const std::string& topic : each.topics) {
        queues.push_back({topic});
      }
    }
    for (const std::vector<std::string>& topics : queues) {
      const Queue queue(each, topics, events);
      fulfilled.insert(queue.fulfilled_.begin(), queue.fulfilled_.end());
      late.insert(queue.late_.begin(), queue.late_.end());
      for (const Began& began : queue.waiting_) {
        ExpectedWait& wait = open[began.position];
        wait = {.expectation = i,
                .position = began.position,
                .due_ms = began.due_ms,
                .told_ms = 0,
                .missing = std::move(wait.missing)};
        std::ranges::copy(topics, std::back_inserter(wait.missing));
      }
    }
    for (auto& [position, wait] : open) {
      std::ranges::sort(wait.missing);
      for (const auto& [id, ms] : told) {  // by the words of the world: what it follows and which expectation
        if (id.ends_with(fmt::format("/{}/{}", position, i))) {
          wait.told_ms = ms;
        }
      }
      out.waits.push_back(wait);
    }
  }
  std::ranges::sort(out.waits);
  std::optional<InstanceState> end;
  bool started = false;
  for (const Fact* const event : events) {
    const bool starts = !started && event->topic == c.start;
    started = started || starts;
    out.events.push_back(event->position);
    out.unexpected.push_back(!starts && !fulfilled.contains(event->position) && !c.expect.empty() &&
                             !has(c.also, event->topic));
    out.late.push_back(late.contains(event->position));
    std::uint32_t depth = 1;
    for (std::size_t i = 0; i + 1 < out.events.size(); ++i) {
      if (events[i]->id == event->cause && event->cause != event->id) {
        depth = std::max(depth, out.depth[i] + 1);
      }
    }
    out.depth.push_back(depth);
    out.dead.push_back(static_cast<std::size_t>(std::ranges::count_if(facts, [&](const Fact& fact) {
      return !fact.group.empty() && fact.dead_at == event->position && fact.dead_topic == event->topic;
    })));
    end = has(c.ok, event->topic)       ? InstanceState::ok
          : has(c.undone, event->topic) ? InstanceState::undone
                                        : end;
  }
  const bool is_told =
      std::ranges::any_of(out.waits, [](const ExpectedWait& wait) { return wait.told_ms != 0; });
  const bool ends_alone = c.ok.empty() && c.undone.empty() && !c.expect.empty() && started;
  out.state = is_told              ? InstanceState::overdue
              : !out.waits.empty() ? InstanceState::open
              : end                ? *end
              : ends_alone         ? InstanceState::ok
                                   : InstanceState::open;
  return out;
}

journal::Position place_of(std::uint64_t n, std::uint32_t shards) {
  return n == 0 ? journal::Position() : journal::Position((n - 1) / shards + 1, (n - 1) % shards);
}

std::uint64_t order_of(journal::Position place, std::uint32_t shards) {
  return place.number() == 0 ? 0 : (place.number() - 1) * shards + place.shard() + 1;
}

Verdict verdict_of(const Instance& instance, std::uint32_t shards) {
  Verdict out;
  out.state = instance.state;
  out.told = instance.told;
  for (const Wait& wait : instance.waits) {
    ExpectedWait& made = out.waits.emplace_back(ExpectedWait{.expectation = wait.expectation,
                                                             .position = order_of(wait.position, shards),
                                                             .due_ms = wait.due_ms,
                                                             .told_ms = wait.told_ms,
                                                             .missing = wait.missing});
    std::ranges::sort(made.missing);
  }
  std::ranges::sort(out.waits);
  for (const InstanceEvent& event : instance.events) {
    out.events.push_back(order_of(event.position, shards));
    out.unexpected.push_back(event.unexpected);
    out.late.push_back(event.late);
    out.depth.push_back(event.depth);
    out.dead.push_back(event.dead.size());
  }
  return out;
}

std::string describe(const Verdict& verdict) {
  std::string out =
      fmt::format("{} told {} events {} unexpected {} late {} depth {} dead {}", to_string(verdict.state),
                  verdict.told, fmt::join(verdict.events, ","), fmt::join(verdict.unexpected, ","),
                  fmt::join(verdict.late, ","), fmt::join(verdict.depth, ","), fmt::join(verdict.dead, ","));
  for (const ExpectedWait& wait : verdict.waits) {
    out += fmt::format(" [{} since {} due {} told {} missing {}]", wait.expectation, wait.position,
                       wait.due_ms, wait.told_ms, fmt::join(wait.missing, ","));
  }
  return out;
}

}  // namespace flotilla::events::simulation
