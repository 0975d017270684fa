#include "flotilla/saga/core/simulation/world.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::saga::simulation {
namespace {

constexpr std::size_t kHealingEvents = 200'000;  // then something never ends

}  // namespace

World::World(const WorldConfig& config, const Catalogue& catalogue, Coverage& coverage)
    : config_(config), catalogue_(catalogue), coverage_(coverage), random_(config.seed) {
  keys_ = {{random_.next(), random_.next()}};
  // Each fault is absent in some runs and common in others.
  const auto odds = [this](std::uint32_t most) {
    return random_.below(3) == 0 ? 0U : static_cast<std::uint32_t>(random_.below(most + 1));
  };
  moods_ = {.refuse = odds(150),
            .again = odds(200),
            .stumble = odds(250),
            .pending = odds(150),
            .confused = odds(40),
            .says = odds(100),
            .block = odds(120)};
  odds_ = {.crash = odds(12),
           .lose_commit = odds(500),
           .fail_store = odds(20),
           .not_sent = odds(150),
           .lose_request = odds(100),
           .lose_answer = odds(150),
           .doubled = odds(100),
           .late = odds(200),
           .held_back = odds(150),
           .lose_message = odds(150),
           .zombie = odds(700),
           .jump = odds(6),
           .cancel = odds(400),
           .signal = odds(700),
           .operate = odds(400),
           .slow_disk = odds(300)};
  leave_out(config_.without);
  // In some runs one service hardly ever answers.
  if (random_.below(4) == 0) {
    const auto& all = catalogue_.submitted();
    const auto services = services_of(*all[random_.below(all.size())]);
    poisoned_ = services.empty() ? "" : services[random_.below(services.size())].value();
  }
  // So that long waits and deadlines end within the run as well.
  if (const Duration longest = catalogue.longest_wait(); catalogue.is_of_a_user() && random_.below(2) == 0) {
    pace_ += longest / std::chrono::seconds(10);
  }
  take_over(false);
  schedule(Duration(0), ClientActs{});
  schedule(std::chrono::milliseconds(500), OperatorActs{});
}

// The order of kFaultNames.
void World::leave_out(std::uint32_t without) {
  const std::array<std::uint32_t*, kFaultNames.size()> odds{
      &odds_.crash,       &odds_.lose_commit, &odds_.fail_store, &odds_.not_sent,  &odds_.lose_request,
      &odds_.lose_answer, &odds_.doubled,     &odds_.late,       &odds_.held_back, &odds_.lose_message,
      &odds_.zombie,      &odds_.jump,        &odds_.cancel,     &odds_.signal,    &odds_.operate,
      &odds_.slow_disk,   &moods_.refuse,     &moods_.again,     &moods_.stumble,  &moods_.pending,
      &moods_.confused,   &moods_.says,       &moods_.block};
  for (std::size_t i = 0; i < odds.size(); ++i) {
    *odds[i] = (without >> i & 1U) != 0 ? 0 : *odds[i];
  }
}

Now World::clocks() const {
  return {.mono = clock_, .wall = {wall_offset_ + clock_.time_since_epoch().count()}};
}

Duration World::some(Duration most) {
  return Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

void World::schedule(Duration in, Action action) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back(std::move(action));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(action);
  }
  queue_.push({.at = saturating_add(clock_, in), .order = next_order_++, .slot = slot});
}

bool World::happen() {
  if (queue_.empty() || !outcome_.violation.empty()) {
    return false;
  }
  const Due due = queue_.top();
  queue_.pop();
  Action action = std::move(slots_[due.slot]);
  free_slots_.push_back(due.slot);
  clock_ = std::max(clock_, due.at);
  if (const auto* timer = std::get_if<TimerDue>(&action)) {
    const Owner* at = owner(timer->epoch);
    const auto wake = at == nullptr ? Owner().wakes.end() : at->wakes.find(timer->saga);
    if (at == nullptr || wake == at->wakes.end() || wake->second > clock_) {
      return true;  // replaced since
    }
  }
  ++happened_;
  ++coverage_.events;
  std::visit([this](auto& each) { on(each); }, action);
  if (chance(odds_.crash)) {
    Crash crash;
    on(crash);
  }
  if (chance(odds_.jump)) {
    ClockJump jump;
    on(jump);
  }
  return true;
}

Outcome World::run() {
  while (happened_ < config_.events && happen()) {
  }
  if (outcome_.violation.empty()) {
    heal();
    const std::size_t until = happened_ + kHealingEvents;
    while (happened_ < until && happen()) {
    }
    if (outcome_.violation.empty()) {
      check_end();
    }
  }
  outcome_.events = happened_;
  return std::move(outcome_);
}

World::Owner* World::owner(Epoch epoch) {
  for (Owner& each : owners_) {
    if (each.epoch == epoch && each.engine) {
      return &each;
    }
  }
  return nullptr;
}

void World::violated(const std::string& what, SagaId saga) {
  if (outcome_.violation.empty()) {
    outcome_.violation = what;
    outcome_.saga = saga;
    note("VIOLATION " + what, saga);
  }
}

void World::note(std::string_view what, SagaId saga) {
  if (config_.trace && outcome_.timeline.size() < kMaxMoments) {
    outcome_.timeline.push_back(
        {.at = clock_ - Instant(std::chrono::hours(1)), .saga = saga, .what = std::string(what)});
  }
}

std::string text_of(const std::vector<Moment>& timeline, std::optional<SagaId> only, std::size_t most) {
  std::vector<const Moment*> shown;
  for (const Moment& each : timeline) {
    const bool wanted = !only || each.saga == *only || (each.saga.is_none() && !shown.empty());
    if (wanted) {
      shown.push_back(&each);
    }
  }
  while (only && !shown.empty() && shown.back()->saga.is_none() && !shown.back()->what.starts_with("VIO")) {
    shown.pop_back();  // what came after its end
  }
  std::string text;
  std::size_t first = 0;
  if (shown.size() > most) {
    first = shown.size() - most;
    text = fmt::format("         ... {} lines before\n", first);
  }
  for (std::size_t i = first; i < shown.size(); ++i) {
    const Moment& each = *shown[i];
    text += fmt::format("{:>12.3f} ms {}{}\n", static_cast<double>(each.at.count()) / 1e6,
                        only                  ? std::string()
                        : each.saga.is_none() ? std::string("- ")
                                              : each.saga.text().substr(20) + " ",
                        each.what);
  }
  return text;
}

void World::feed(Epoch epoch, Input input) {
  Owner* at = owner(epoch);
  if (at == nullptr) {
    return;
  }
  Effects effects = at->engine->step(std::move(input), clocks());
  for (Effect& effect : effects) {
    carry_out(epoch, effect);
  }
}

void World::carry_out(Epoch epoch, Effect& effect) {
  Owner* at = owner(epoch);
  if (at == nullptr || !outcome_.violation.empty()) {
    return;
  }
  if (auto* append = std::get_if<effect::Append>(&effect)) {
    const bool rare = std::ranges::any_of(append->records, [](const effect::EncodedRecord& record) {
      const std::string_view name = record_name(record.type);
      return name == "timer-fired" || name == "failed" || name == "rejected" || name == "cancel-requested";
    });
    const Duration most =
        chance(odds_.slow_disk) ? Duration(std::chrono::milliseconds(500)) : std::chrono::milliseconds(2);
    schedule(some(most), CommitDue{.epoch = epoch, .append = std::move(*append)});
    if (chance(odds_.crash * (rare ? 16 : 2))) {  // between here and when the engine hears of it
      schedule(some(most * 2), Crash{});
    }
  } else if (auto* send = std::get_if<effect::Send>(&effect)) {
    transmit(epoch, *send);
  } else if (const auto* wake = std::get_if<effect::Wake>(&effect)) {
    at->wakes.erase(wake->saga);
    if (wake->at != kNever) {
      at->wakes[wake->saga] = wake->at;
      schedule(std::max(wake->at - clock_, Duration(0)), TimerDue{.epoch = epoch, .saga = wake->saga});
    }
  } else if (const auto* reply = std::get_if<effect::Reply>(&effect)) {
    on_reply(*reply);
  } else if (const auto* alert = std::get_if<effect::Alert>(&effect)) {
    note(fmt::format("a person is told: {}", alert->detail), alert->saga);
    if (alert->kind == effect::Alert::Kind::deadline &&
        streams_.at(alert->saga).oracle.state().phase == Phase::committed) {
      coverage_.count(Transition::s14);
    }
  } else if (auto* tell = std::get_if<effect::Tell>(&effect)) {
    if (!chance(odds_.lose_message)) {
      const bool twice = chance(odds_.doubled);
      if (twice) {
        schedule(some(std::chrono::seconds(1)), Message{tell->message});
      }
      schedule(some(std::chrono::milliseconds(5)), Message{std::move(tell->message)});
    }
  } else if (const auto* reload = std::get_if<effect::Reload>(&effect)) {
    if (const auto stream = streams_.find(reload->saga); stream != streams_.end()) {
      stream->second.oracle.forget_answers();
    }
    for (auto& [id, attempt] : attempts_) {
      attempt.answered |= attempt.epoch == epoch && attempt.send.saga == reload->saga;  // given up
    }
    schedule(std::chrono::seconds(1), LoadDue{.epoch = epoch, .saga = reload->saga});
  } else if (std::get_if<effect::Stop>(&effect) != nullptr) {
    at->engine.reset();
  }
}

void World::on(TimerDue& due) {
  if (Owner* at = owner(due.epoch)) {
    at->wakes.erase(due.saga);
    feed(due.epoch, input::Timer{.saga = due.saga});
  }
}

void World::on(Granted& granted) { feed(granted.epoch, input::LockGranted{.saga = granted.saga}); }

void World::on(ClockJump& /*jump*/) {
  wall_offset_ += static_cast<std::int64_t>(random_.below(20'000)) * 1'000'000 - 10'000'000'000;
}

}  // namespace flotilla::saga::simulation
