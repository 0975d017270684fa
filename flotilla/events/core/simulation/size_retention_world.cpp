#include "flotilla/events/core/simulation/size_retention_world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace flotilla::events::simulation {

std::vector<std::string> SizeCoverage::missing() const {
  std::vector<std::string> never;
  for (const char* const name :
       {"removed", "within the limit", "waits for a consumer", "others removed", "crash", "weighing failed",
        "removal failed, done", "removal failed, not done", "weighed in pieces"}) {
    if (!counts.contains(name)) {
      never.emplace_back(name);
    }
  }
  return never;
}

SizeWorld::SizeWorld(const SizeWorldConfig& config, SizeCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  limit_ = 1000 + draw(100'000);
  greatest_ = 1 + draw(likely(0.2) ? 2 * limit_ : limit_ / 10);
  p_crash_ = likely(0.5) ? random_.unit() * 0.01 : 0;
  p_fail_ = likely(0.5) ? random_.unit() * 0.1 : 0;
  p_others_ = likely(0.5) ? random_.unit() * 0.02 : 0;
  consumers_.assign(draw(3), 0);
  engine_.emplace(limit_, config_.planted);
}

std::string SizeWorld::run() {
  for (std::size_t i = 0; i < config_.events && violation_.empty(); ++i) {
    happen();
  }
  if (violation_.empty()) {
    heal();
  }
  return violation_.empty() ? "" : fmt::format("seed {}: {}", config_.seed, violation_);
}

void SizeWorld::violate(const std::string& what) {
  if (violation_.empty()) {
    violation_ = what;
  }
}

std::uint64_t SizeWorld::floor() const {
  std::uint64_t floor = end_;
  for (const std::uint64_t consumer : consumers_) {
    floor = std::min(floor, consumer);
  }
  return floor;
}

std::uint64_t SizeWorld::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [position, size] : topic_) {
    bytes += size;
  }
  return bytes;
}

void SizeWorld::happen() {
  if (likely(p_crash_)) {
    count("crash");
    engine_.emplace(limit_, config_.planted);
    open_.reset();
  } else if (likely(p_others_)) {
    others_remove();
  } else if (!consumers_.empty() && likely(0.2)) {
    std::uint64_t& consumer = consumers_[draw(consumers_.size())];
    consumer += draw(end_ - consumer + 1);
  } else if (likely(0.3)) {
    publish();
  } else {
    act();
  }
}

void SizeWorld::publish() {
  for (std::uint64_t i = draw(8); i > 0; --i) {
    end_ += 1 + draw(3);
    topic_.emplace(end_, 1 + draw(greatest_));
  }
}

void SizeWorld::others_remove() {
  ++generation_;
  others_ = true;
  count("others removed");
  if (likely(0.5)) {
    topic_.erase(topic_.begin(), topic_.upper_bound(draw(end_ + 1)));
  } else {
    std::erase_if(topic_, [this](const auto&) { return likely(0.5); });
  }
}

void SizeWorld::act() {
  if (open_) {
    const sizing::Effect effect = std::exchange(open_, std::nullopt).value();
    open_ = engine_->step(std::visit([this](const auto& each) { return carry_out(each); }, effect));
  } else {
    told_floor_ = floor();
    others_ = false;
    if (told_floor_ < end_ && bytes() > limit_) {
      count("waits for a consumer");
    }
    const bool may = engine_->may_look(end_, generation_);
    open_ = engine_->step(sizing::Look{.end = end_, .floor = told_floor_, .generation = generation_});
    if (open_ && !may) {
      violate("S4: it begins what it said it could not");
    }
    if (!open_ && bytes() <= limit_) {
      count("within the limit");
    }
  }
  // Two neighbours have more than one piece.
  if (engine_->pieces() > 2 * (engine_->bytes() / (limit_ / SizeRetention::kPieces + 1)) + 2) {
    violate(fmt::format("S4: {} pieces are remembered of {} bytes", engine_->pieces(), engine_->bytes()));
  }
}

sizing::Input SizeWorld::carry_out(const sizing::Weigh& weigh) {
  if (likely(p_fail_)) {
    count("weighing failed");
    return sizing::Failed{};
  }
  sizing::Weighed weighed{.until = weigh.after};
  auto at = topic_.upper_bound(weigh.after);
  for (; at != topic_.end() && weighed.bytes < weigh.bytes; ++at) {
    weighed.bytes += at->second;
    weighed.until = at->first;
  }
  weighed.at_end = at == topic_.end();
  count(weighed.at_end ? "weighed" : "weighed in pieces");
  return weighed;
}

sizing::Input SizeWorld::carry_out(const sizing::Remove& remove) {
  const bool fails = likely(p_fail_);
  if (fails && likely(0.5)) {
    count("removal failed, not done");
    return sizing::Failed{};
  }
  if (remove.until > told_floor_) {
    violate(fmt::format("S1: up to {} is removed, and the floor is {}", remove.until, told_floor_));
  }
  const std::uint64_t before = bytes();
  const bool newest = !topic_.empty() && remove.until >= topic_.rbegin()->first;
  topic_.erase(topic_.begin(), topic_.upper_bound(std::min(remove.until, floor())));
  const std::uint64_t gone = before - bytes();
  count(gone > 0 ? "removed" : "removed nothing");
  const std::uint64_t piece = limit_ / SizeRetention::kPieces + 1 + greatest_;
  if (newest) {
    violate("S3: the newest event is removed");
  }
  // Others may have been there between weighing and removing: then the store has fewer bytes than were
  // weighed.
  if (!others_ && gone > 0 && (before <= limit_ || before - gone + piece <= limit_)) {
    violate(fmt::format("S2: {} of {} bytes are removed, the limit is {}", gone, before, limit_));
  }
  if (fails) {
    count("removal failed, done");
    return sizing::Failed{};
  }
  return sizing::Removed{};
}

void SizeWorld::heal() {
  p_fail_ = 0;
  for (std::uint64_t& consumer : consumers_) {
    consumer = end_;
  }
  std::size_t quiet = 0;
  for (std::size_t steps = 0; quiet < 3 && violation_.empty(); ++steps) {
    act();
    quiet = open_ ? 0 : quiet + 1;
    if (steps > 100'000) {
      violate("S5: it comes to no end");
    }
  }
  if (bytes() > limit_ + limit_ / SizeRetention::kPieces + 1 + greatest_) {
    violate(fmt::format("S5: {} bytes are left, the limit is {}", bytes(), limit_));
  }
}

}  // namespace flotilla::events::simulation
