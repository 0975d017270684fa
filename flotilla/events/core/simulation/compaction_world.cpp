#include "flotilla/events/core/simulation/compaction_world.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace flotilla::events::simulation {
namespace {

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kLife = 24 * kHour;

}  // namespace

std::vector<std::string> CompactionCoverage::missing() const {
  std::vector<std::string> never;
  for (const char* const name :
       {"rounds", "given up", "not worth it", "keys did not fit", "tombstone removed", "superseded removed",
        "crash in a walk", "crash between removals", "consumer went back", "consumer came",
        "oldest taken out", "removal failed, done", "removal failed, not done", "read failed",
        "waits for a consumer"}) {
    if (!counts.contains(name)) {
      never.emplace_back(name);
    }
  }
  return never;
}

CompactionWorld::CompactionWorld(const CompactionWorldConfig& config, CompactionCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  limits_ = {.keys = 1 + draw(40), .key_bytes = 20 + draw(400)};
  key_count_ = 1 + draw(60);
  p_crash_ = likely(0.5) ? random_.unit() * 0.01 : 0;
  p_fail_ = likely(0.5) ? random_.unit() * 0.1 : 0;
  p_tombstone_ = random_.unit() * 0.5;
  p_consumer_ = random_.unit() * 0.3;
  p_back_ = likely(0.5) ? random_.unit() * 0.02 : 0;
  consumers_.assign(draw(4), 0);
  engine_.emplace(limits_, config_.planted);
}

std::string CompactionWorld::run() {
  for (std::size_t i = 0; i < config_.events && violation_.empty(); ++i) {
    happen();
  }
  if (violation_.empty()) {
    heal();
  }
  return violation_.empty() ? "" : fmt::format("seed {}: {}", config_.seed, violation_);
}

void CompactionWorld::violate(const std::string& what) {
  if (violation_.empty()) {
    violation_ = what;
  }
}

std::uint64_t CompactionWorld::floor() const {
  std::uint64_t floor = end_;
  for (const std::uint64_t consumer : consumers_) {
    floor = std::min(floor, consumer);
  }
  return floor;
}

void CompactionWorld::happen() {
  if (likely(p_crash_)) {
    crash();
    return;
  }
  if (likely(p_consumer_)) {
    consume();
    return;
  }
  const double what = random_.unit();
  if (what < 0.45) {
    publish();
  } else if (what < 0.48) {
    now_ += static_cast<std::int64_t>(draw(12 * kHour));
  } else if (what < 0.483) {
    retire_oldest();
  } else {
    act();
  }
}

void CompactionWorld::publish() {
  const std::uint64_t events = 1 + draw(8);
  for (std::uint64_t i = 0; i < events; ++i) {
    end_ += 1 + draw(3);  // other topics have positions, too
    KeyedEvent event{.position = end_, .key = fmt::format("key-{}", draw(key_count_)), .time = now_};
    if (likely(0.1)) {
      event.key.clear();
    } else if (likely(0.05)) {
      event.key = std::string(1 + draw(30), 'k');
    }
    event.tombstone = likely(p_tombstone_);
    if (!event.key.empty()) {
      newest_[event.key] = end_;
    }
    topic_.emplace(end_, std::move(event));
  }
}

void CompactionWorld::consume() {
  if (consumers_.size() < 4 && likely(0.02)) {
    consumers_.push_back(likely(0.5) ? 0 : end_);
    count("consumer came");
    return;
  }
  if (consumers_.empty()) {
    return;
  }
  std::uint64_t& consumer = consumers_[draw(consumers_.size())];
  if (likely(p_back_)) {
    consumer = draw(consumer + 1);
    count("consumer went back");
  } else {
    consumer += draw(end_ - consumer + 1);
  }
}

// As retention does, or a person.
void CompactionWorld::retire_oldest() {
  const std::uint64_t until = draw(floor() + 1);
  for (auto at = topic_.begin(); at != topic_.end() && at->first <= until; at = topic_.erase(at)) {
    if (const auto newest = newest_.find(at->second.key);
        newest != newest_.end() && newest->second == at->first) {
      newest_.erase(newest);
    }
    count("oldest taken out");
  }
}

void CompactionWorld::crash() {
  if (open_) {
    count(std::holds_alternative<compaction::Remove>(*open_) ? "crash between removals" : "crash in a walk");
  }
  engine_.emplace(limits_, config_.planted);
  open_.reset();
}

void CompactionWorld::act() {
  if (!open_) {
    look();
    return;
  }
  const compaction::Effect effect = std::exchange(open_, std::nullopt).value();
  feed(std::visit([this](const auto& each) { return carry_out(each); }, effect));
}

void CompactionWorld::look() {
  if (!engine_->idle()) {
    violate("K6: it does nothing, and is not idle");
    return;
  }
  told_floor_ = floor();
  told_now_ = now_;
  if (told_floor_ < end_) {
    count("waits for a consumer");
  }
  const bool may = engine_->may_look(end_, now_);
  feed(compaction::Look{.floor = told_floor_, .now = now_});
  if (open_ && !may) {
    violate("K6: it begins what it said it could not");
  }
}

void CompactionWorld::feed(const compaction::Input& input) {
  const std::uint64_t rounds = engine_->rounds();
  const std::uint64_t given_up = engine_->given_up();
  open_ = engine_->step(input);
  if (engine_->rounds() > rounds) {
    count("rounds");
    if (engine_->clean() < told_floor_) {
      count("keys did not fit");
    }
  } else if (engine_->given_up() > given_up) {
    count("given up");
  } else if (!open_ && std::holds_alternative<compaction::Page>(input)) {
    count("not worth it");
  }
  if (engine_->keys() > limits_.keys) {
    violate(fmt::format("K6: {} keys are in memory, the limit is {}", engine_->keys(), limits_.keys));
  }
  if (engine_->idle()) {
    check_clean();
  }
}

compaction::Input CompactionWorld::carry_out(const compaction::Read& read) {
  if (likely(p_fail_)) {
    count("read failed");
    return compaction::Failed{};
  }
  compaction::Page page{.events = {}, .next = read.after};
  const std::uint64_t limit = 1 + draw(20);
  auto at = topic_.upper_bound(read.after);
  for (; at != topic_.end() && page.events.size() < limit; ++at) {
    page.events.push_back(at->second);
    page.next = at->first;
  }
  page.at_end = at == topic_.end();
  if (page.at_end) {
    page.next = end_;
  }
  return page;
}

// As the store does it: in one transaction, which looks at the cursors.
compaction::Input CompactionWorld::carry_out(const compaction::Remove& remove) {
  const bool fails = likely(p_fail_);
  if (fails && likely(0.5)) {
    count("removal failed, not done");
    return compaction::Failed{};
  }
  if (!std::ranges::is_sorted(remove.positions) || remove.positions.size() > 20) {
    violate("K6: what is removed is not of one page, in order");
  }
  compaction::Removed removed;
  std::vector<KeyedEvent> gone;
  for (const std::uint64_t position : remove.positions) {
    if (position > told_floor_) {
      violate(fmt::format("K1: {} is removed, and the floor is {}", position, told_floor_));
    }
    const auto found = topic_.find(position);
    if (found == topic_.end() || position > floor()) {
      continue;
    }
    gone.push_back(found->second);
    topic_.erase(found);
    ++removed.events;
  }
  for (const KeyedEvent& event : gone) {
    check_removal(event);
  }
  if (fails) {
    count("removal failed, done");
    return compaction::Failed{};
  }
  return removed;
}

void CompactionWorld::check_removal(const KeyedEvent& event) {
  if (event.key.empty()) {
    violate(fmt::format("K4: {} has no key, and is removed", event.position));
    return;
  }
  const bool stood = event.tombstone && event.time + kLife <= told_now_;
  if (const auto newest = newest_.find(event.key);
      newest != newest_.end() && newest->second == event.position) {
    if (!stood) {
      violate(fmt::format("K2: {} is the last of {}, and is removed", event.position, event.key));
    }
    newest_.erase(newest);
    count("tombstone removed");
  } else {
    count("superseded removed");
  }
  for (const auto& [position, other] : topic_) {
    if (position > event.position) {
      break;
    }
    if (other.key == event.key) {
      violate(fmt::format("K3: {} of {} is gone, and {} is there", event.position, event.key, position));
    }
  }
}

void CompactionWorld::check_clean() {
  std::set<std::string> seen;
  for (const auto& [position, event] : topic_) {
    if (position > engine_->clean()) {
      return;
    }
    if (!event.key.empty() && !seen.insert(event.key).second) {
      violate(fmt::format("K5: {} of {} is not the first, up to {} all is clean", position, event.key,
                          engine_->clean()));
    }
  }
}

// Everybody comes to the end, nothing fails any more, and days pass.
void CompactionWorld::heal() {
  p_fail_ = 0;
  for (std::uint64_t& consumer : consumers_) {
    consumer = end_;
  }
  now_ += 3 * kLife;
  std::size_t quiet = 0;
  for (std::size_t steps = 0; quiet < 3 && violation_.empty(); ++steps) {
    act();
    quiet = open_ ? 0 : quiet + 1;
    if (steps > 100'000) {
      violate("K7: it comes to no end");
    }
  }
  std::uint64_t clean = 0;
  std::uint64_t dirty = 0;
  for (const auto& [position, event] : topic_) {
    if (position > engine_->clean()) {
      ++dirty;
      continue;
    }
    ++clean;
    if (event.tombstone && !event.key.empty() && event.time + kLife <= now_) {
      violate(fmt::format("K7: the tombstone {} of {} stays", position, event.key));
    }
  }
  if (dirty > 1 && dirty > clean / 2 + 1) {
    violate(fmt::format("K7: {} events are dirty beside {} that are clean", dirty, clean));
  }
}

}  // namespace flotilla::events::simulation
