#include "flotilla/events/core/simulation/subscription_world.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::events::simulation {
namespace {

constexpr std::size_t kHealingEvents = 100'000;  // then something never ends
constexpr std::uint64_t kKeys = 5;
constexpr std::int64_t kWallOffset = 1'700'000'000'000'000'000;

}  // namespace

World::World(const WorldConfig& config, Coverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  draw();
  take_over(false);
  schedule(Duration(0), Publish{});
  schedule(std::chrono::milliseconds(300), PersonActs{});
}

void World::draw() {
  // Each fault is absent in some runs and common in others.
  const auto odds = [this](std::uint32_t most) {
    return random_.below(3) == 0 ? 0U : static_cast<std::uint32_t>(random_.below(most + 1));
  };
  odds_ = {.crash = odds(12),
           .lose_commit = odds(500),
           .fail_store = odds(40),
           .zombie = odds(600),
           .not_sent = odds(100),
           .held_back = odds(150),
           .lose_request = odds(100),
           .lose_answer = odds(100),
           .doubled = odds(150),
           .late = odds(200),
           .hang = odds(60),
           .person = odds(500),
           .refuse = odds(120),
           .again = odds(300),
           .accept = odds(250),
           .gone = odds(15),
           .says = odds(150),
           .never_ack = odds(400),
           .early_ack = odds(300),
           .slow_disk = odds(300),
           .poison = odds(120)};
  policy_ = {.name = "group",
             .topic = "topic",
             .order_by = random_.below(4) == 0 ? OrderBy::none : OrderBy::key,
             .concurrency = 1 + static_cast<std::uint32_t>(random_.below(8)),
             .dead_letter = "dead",
             .ahead = 4 + random_.below(40)};
  if (policy_.order_by == OrderBy::key) {
    policy_.after_dead_letter = static_cast<AfterDeadLetter>(random_.below(3));
  }
  policy_.retry.attempts = 2 + static_cast<std::uint32_t>(random_.below(6));
  policy_.ack_timeout = std::chrono::milliseconds(500 + random_.below(5000));
  policy_.on_success = random_.below(2) == 0 ? "success" : "";
  policy_.on_failure = random_.below(2) == 0 ? "failure" : "";
  if (const auto good = check(policy_); !good) {
    violated(good.error().message);
  }
}

Now World::clocks() const {
  return {.mono = clock_, .wall = {kWallOffset + clock_.time_since_epoch().count()}};
}

Duration World::some(Duration most) {
  return Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

void World::schedule(Duration in, Action action) {
  queue_.push({.at = saturating_add(clock_, in),
               .order = next_order_++,
               .action = std::make_shared<Action>(std::move(action))});
}

bool World::happen() {
  if (queue_.empty() || !outcome_.violation.empty()) {
    return false;
  }
  const Due due = queue_.top();
  queue_.pop();
  clock_ = std::max(clock_, due.at);
  ++happened_;
  ++coverage_.events;
  std::visit([this](const auto& each) { on(each); }, *due.action);
  if (chance(odds_.crash)) {
    crash();
  }
  return true;
}

Outcome World::run() {
  while (happened_ < config_.events && happen()) {
  }
  heal();
  const std::size_t until = happened_ + kHealingEvents;
  while (happened_ < until && (saved_.mark < end_ || letters_wait()) && happen()) {
  }
  if (outcome_.violation.empty()) {
    check_end();
  }
  return std::move(outcome_);
}

World::Owner* World::owner(Epoch epoch) {
  const auto found = std::ranges::find(owners_, epoch, &Owner::epoch);
  return found == owners_.end() ? nullptr : &*found;
}

void World::violated(const std::string& what) {
  if (outcome_.violation.empty()) {
    outcome_.violation = what;
    note("VIOLATION " + what);
  }
}

void World::note(const std::string& what) {
  if (config_.trace) {
    outcome_.timeline +=
        fmt::format("{:>12.3f} ms {}\n",
                    static_cast<double>((clock_ - Instant(std::chrono::hours(1))).count()) / 1e6, what);
  }
}

void World::feed(Owner& owner, SubscriptionInput input) {
  const Epoch epoch = owner.epoch;
  SubscriptionEffects effects = owner.engine->step(std::move(input), clocks());
  for (SubscriptionEffect& effect : effects) {
    std::visit([&](auto& each) { carry_out(epoch, each); }, effect);
  }
  Owner* const still = this->owner(epoch);
  if (still == nullptr) {
    return;
  }
  const SubscriptionView view = still->engine->view();
  if (view.unsettled > policy_.ahead || view.progress->settled.size() > policy_.ahead) {
    violated(fmt::format("bound: {} events are read ahead, {} settled beyond the mark, of {}", view.unsettled,
                         view.progress->settled.size(), policy_.ahead));
  }
  if (view.at_bound) {
    coverage_.count(Passage::at_bound);
  }
}

void World::on(const Publish& /*publish*/) {
  for (std::uint64_t i = random_.below(4); i > 0; --i) {
    end_ += 1 + (random_.below(3) == 0 ? random_.below(5) : 0);  // records of others lie between
    Fact& fact = facts_[end_];
    ArrivedEvent& event = fact.event;
    event.position = end_;
    event.key = random_.below(8) == 0 ? "" : fmt::format("k{}", random_.below(kKeys));
    event.expires = random_.below(12) == 0 ? wall_ms() + to_millis(some(std::chrono::seconds(20))) : 0;
    const std::uint64_t filter = random_.below(30);
    event.admission = filter == 0  ? ArrivedEvent::Admission::broken
                      : filter < 3 ? ArrivedEvent::Admission::filtered
                                   : ArrivedEvent::Admission::deliver;
    event.event = std::make_shared<const journal::Event>(
        journal::Event{.attributes = {{"id", std::to_string(end_)}, {"source", "/s"}, {"type", "topic"}},
                       .data = fmt::format(R"({{"n":{}}})", random_.next())});
    fact.bytes = encode(*event.event);
    fact.mood = !chance(odds_.poison) ? Mood::well : random_.below(2) == 0 ? Mood::refused : Mood::failing;
    ++coverage_.published;
  }
  for (Owner& each : owners_) {
    if (each.fetch != 0) {
      schedule(some(std::chrono::milliseconds(3)), FetchDue{.epoch = each.epoch, .fetch = each.fetch});
    }
  }
  if (!healing_) {
    schedule(some(std::chrono::milliseconds(400)), Publish{});
  }
}

void World::on(const FetchDue& due) {
  Owner* const at = owner(due.epoch);
  if (at == nullptr || at->fetch != due.fetch) {
    return;
  }
  input::Arrived arrived{.fetch = due.fetch, .read_to = at->fetch_after};
  bool more = false;
  for (auto each = facts_.upper_bound(at->fetch_after); each != facts_.end(); ++each) {
    if (arrived.events.size() == at->fetch_events) {
      more = true;
      break;
    }
    arrived.events.push_back(each->second.event);
    arrived.read_to = each->first;
  }
  if (!more) {
    arrived.read_to = std::max(arrived.read_to, end_);
  }
  if (arrived.events.empty() && random_.below(4) != 0) {
    return;  // it waits for the next one
  }
  at->fetch = 0;
  feed(*at, std::move(arrived));
}

void World::on(const TimerDue& due) {
  Owner* const at = owner(due.epoch);
  if (at != nullptr && at->wake <= clock_) {
    at->wake = kNever;
    feed(*at, input::Timer{});
  }
}

void World::on(const ReadyDue& due) {
  if (Owner* const at = owner(due.epoch)) {
    feed(*at, input::Ready{});
  }
}

void World::on(const PersonActs& /*acts*/) {
  schedule(std::chrono::milliseconds(200) + some(std::chrono::seconds(2)), PersonActs{});
  if (healing_) {
    if (saved_.pause.reason != PauseReason::none) {
      operate(SubscriptionVerb::resume);
    }
    if (!saved_.held_keys.empty()) {
      operate(SubscriptionVerb::release);
    }
    return;
  }
  if (!chance(odds_.person)) {
    if (saved_.pause.reason == PauseReason::gone || saved_.pause.reason == PauseReason::operator_) {
      operate(SubscriptionVerb::resume);  // nobody leaves it standing for long
    }
    return;
  }
  if (random_.below(2) == 0) {
    redrive_some();
    return;
  }
  const std::uint64_t which = random_.below(8);
  operate(which < 2   ? SubscriptionVerb::pause
          : which < 5 ? SubscriptionVerb::resume
          : which < 7 ? SubscriptionVerb::release
                      : SubscriptionVerb::replay);
}

void World::operate(SubscriptionVerb verb) {
  Owner& at = current();
  if (!at.loaded) {
    return;
  }
  input::Operate asked{.waiter = next_waiter_++, .verb = verb, .who_why = "ann"};
  switch (verb) {
    case SubscriptionVerb::pause:
      at.told_to_pause = true;
      note("person pauses");
      coverage_.count(Passage::paused_by_person);
      break;
    case SubscriptionVerb::resume:
      at.told_to_pause = false;
      note("person resumes");
      coverage_.count(Passage::resumed);
      break;
    case SubscriptionVerb::release: {
      if (saved_.held_keys.empty()) {
        return;
      }
      auto key = saved_.held_keys.begin();
      std::advance(key, static_cast<std::ptrdiff_t>(random_.below(saved_.held_keys.size())));
      asked.key = *key;
      note("person releases " + asked.key);
      released_.push_back(asked.key);
      break;
    }
    case SubscriptionVerb::replay:
      if (replay_from_ || saved_.mark == 0) {
        return;
      }
      asked.from = saved_.mark - std::min(saved_.mark, random_.below(12));
      asked.to = random_.below(2) == 0 ? 0 : asked.from + 1 + random_.below(12);
      replay_from_ = asked.from;
      replay_to_ = asked.to;
      replay_waiter_ = asked.waiter;
      note(fmt::format("person replays from {} to {}", asked.from, asked.to));
      break;
  }
  feed(at, std::move(asked));
}

void World::heal() {
  note("heals");
  healing_ = true;
  std::erase_if(owners_, [this](const Owner& each) { return each.epoch != epoch_; });
}

void World::check_end() {
  for (const auto& [at, fact] : facts_) {
    if (!fact.settled) {
      const SubscriptionView view = current().engine->view();
      violated(fmt::format(
          "E10: event {} of key '{}' was never settled; {} unsettled, {} in flight, {} retrying, mark {}", at,
          fact.event.key, view.unsettled, view.in_flight, view.retrying, saved_.mark));
      return;
    }
  }
  if (letters_wait()) {
    violated("a dead letter is to be sent again, and nothing comes of it");
  }
  if (saved_.mark < end_ && !facts_.empty() && saved_.mark < facts_.rbegin()->first) {
    violated("E10: all is settled, and the mark stands before it");
  }
}

}  // namespace flotilla::events::simulation
