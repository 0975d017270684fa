#include "flotilla/cqrs/core/projection.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs {
namespace {

// What a row costs in memory beside its text.
constexpr std::size_t kRowCost = 256;

}  // namespace

Projection::Projection(ViewDefinitionPtr view, Generation generation, const Checkpoint& from,
                       const ProjectionLimits& limits, ViewCounters& counters, ViewFault planted)
    : view_(std::move(view)),
      generation_(generation),
      limits_(limits),
      counters_(counters),
      planted_(planted),
      checkpoint_(from),
      position_(from.position),
      read_to_(from.position) {}

std::int64_t Projection::behind_since_ms() const noexcept {
  if (!failure_.empty()) {
    return failed_since_ms_;
  }
  if (!pending_.empty()) {
    return pending_.front().recorded_ms;
  }
  return at_end_ ? 0 : last_recorded_ms_;
}

void Projection::fetch(ViewEffects& effects) {
  step_ = Step::fetching;
  if (halted_) {
    return;
  }
  effects.emplace_back(effect::Fetch{.generation = generation_,
                                     .fetch = ++fetch_,
                                     .after = position_,
                                     .events = limits_.events,
                                     .topics = view_->texts.from});
}

void Projection::arrived(input::Arrived in, ViewEffects& effects) {
  if (step_ != Step::fetching || in.fetch != fetch_ || halted_) {
    return;
  }
  read_to_.advance_to(in.read_to);
  at_end_ = in.at_end;
  journal::ReadToken last = position_;
  for (ViewEvent& event : in.events) {
    if (last.covers(event.position) && planted_ != ViewFault::fold_twice) {
      continue;  // it is in the rows already
    }
    last.move_to(event.position);
    Pending pending{.position = event.position, .recorded_ms = event.recorded_ms};
    auto values = read_values(*event.event);
    if (!values && view_->native) {  // whatever it carries, it has happened
      values = EventValues{.data = {}, .event = journal::event_value(*event.event, {}), .topic = {}};
    }
    if (values) {
      pending.values = std::move(*values);
      pending.values.topic = std::move(event.topic);
      pending.values.position = event.position;
      pending.values.recorded_ms = event.recorded_ms;
      auto place = place_of(*view_, pending.values);
      if (place) {
        pending.place = std::move(*place);
      } else {
        pending.broken = std::move(place.error());
      }
    } else {
      pending.broken = std::move(values.error());
    }
    pending_.push_back(std::move(pending));
  }
  work(effects);
}

void Projection::work(ViewEffects& effects) {
  if (halted_) {
    step_ = Step::fetching;
    return;
  }
  if (pending_.empty()) {
    position_.advance_to(read_to_);
    fetch(effects);
    return;
  }
  loading_ = unknown_rows();
  if (loading_.empty()) {
    fold(effects);
    return;
  }
  step_ = Step::loading;
  effects.emplace_back(effect::LoadRows{.generation = generation_, .load = ++load_, .names = loading_});
}

// In the order in which they are folded; up to the first event that cannot be.
std::vector<journal::RowName> Projection::unknown_rows() const {
  std::vector<journal::RowName> names;
  std::set<journal::RowName> seen;
  for (const Pending& event : pending_) {
    if (!event.broken.empty()) {
      break;
    }
    if (event.place && !known_.contains(*event.place) && seen.insert(*event.place).second) {
      names.push_back(*event.place);
    }
  }
  return names;
}

void Projection::rows(input::Rows in, ViewEffects& effects) {
  if (step_ != Step::loading || in.load != load_ || halted_) {
    return;
  }
  FLOTILLA_ASSERT(!in.values.empty() && in.values.size() <= loading_.size());
  counters_.loaded.add(in.values.size());
  for (std::size_t i = 0; i < loading_.size(); ++i) {
    if (i >= in.values.size()) {
      if (planted_ == ViewFault::absent_if_not_loaded) {
        know(loading_[i], {}, 0);
      }
      continue;
    }
    const std::optional<std::string>& text = in.values[i];
    auto row = text ? json::parse(*text) : Result<json::Value>(json::Value());
    if (!row) {
      failure_ = fmt::format("the kept row {}/{} is damaged: {}; have the view built anew", loading_[i].key,
                             loading_[i].row, row.error().message);
      failed_at_ = pending_.front().position;
      step_ = Step::stopped;
      counters_.failures.add();
      effects.emplace_back(
          effect::Failed{.generation = generation_, .position = failed_at_, .why = failure_});
      return;
    }
    know(loading_[i], std::move(*row), text ? text->size() : 0);
  }
  fold(effects);
}

void Projection::expire(input::Expire in, ViewEffects& effects) {
  if (step_ != Step::fetching || halted_ || !pending_.empty() || in.names.empty()) {
    return;
  }
  for (journal::RowName& name : in.names) {
    Pending pending{.position = position_.at(0), .recorded_ms = last_recorded_ms_};
    pending.place = std::move(name);
    pending.expire_ms = in.now_ms;
    pending_.push_back(std::move(pending));
  }
  work(effects);
}

void Projection::know(const journal::RowName& name, json::Value row, std::size_t bytes) {
  const auto [known, fresh] = known_.try_emplace(name);
  if (fresh) {
    ages_.push_front(name);
    known_bytes_ += kRowCost + name.key.size() + name.row.size();
  } else {
    ages_.splice(ages_.begin(), ages_, known->second.age);
    known_bytes_ -= known->second.bytes;
  }
  known->second = {.row = std::move(row), .bytes = bytes, .age = ages_.begin()};
  known_bytes_ += bytes;
}

// Between rounds: those that a round folds stay.
void Projection::forget_old() {
  while (known_bytes_ > limits_.memory && !ages_.empty()) {
    const auto oldest = known_.find(ages_.back());
    known_bytes_ -= oldest->second.bytes + kRowCost + oldest->first.key.size() + oldest->first.row.size();
    known_.erase(oldest);
    ages_.pop_back();
  }
}

bool Projection::fold_one(Pending& event, Round& round) {
  const auto broken = [&](std::string why) {
    if (planted_ == ViewFault::skip_broken) {
      return true;
    }
    stopping_ = fmt::format("the event at position {} cannot be folded: {}", event.position.text(), why);
    failed_at_ = event.position;
    failed_since_ms_ = event.recorded_ms;
    return false;
  };
  if (!event.broken.empty()) {
    return broken(event.broken);
  }
  if (!event.place) {
    ++round.ignored;
    return true;
  }
  const auto known = known_.find(*event.place);
  if (known == known_.end()) {
    return false;  // the load did not come so far: the next round does
  }
  const json::Value& row = known->second.row;
  const bool was = !row.is_null();
  if (event.expire_ms) {
    auto left = view_->native && was ? view_->native->expire(row, *event.expire_ms) : std::nullopt;
    if (!left) {
      ++round.ignored;
      return true;
    }
    return take(event, was, std::move(*left), round);
  }
  auto folded = fold_row(*view_, row, event.values);
  if (!folded) {
    return broken(std::move(folded.error()));
  }
  if (!take(event, was, std::move(*folded), round)) {
    return false;
  }
  ++round.checkpoint.events;
  ++round.folded;
  return true;
}

bool Projection::take(const Pending& event, bool was, journal::Folded folded, Round& round) {
  const bool is = !folded.row.is_null();
  const std::size_t size = folded.text.size();
  std::size_t cost = size + kRowCost;
  for (const auto& [name, value] : folded.beside) {
    cost += kRowCost + name.row.size() + (value ? value->size() : 0);
  }
  if (round.bytes + cost - kRowCost > limits_.batch && !round.rows.empty()) {
    return false;
  }
  round.bytes += cost;
  round.checkpoint.rows += is && !was ? 1 : 0;
  round.checkpoint.rows -= was && !is ? 1 : 0;
  if (is || planted_ != ViewFault::keep_removed) {
    round.rows.insert_or_assign(*event.place, is ? std::optional(std::move(folded.text)) : std::nullopt);
  }
  for (auto& [name, value] : folded.beside) {
    round.rows.insert_or_assign(std::move(name), std::move(value));
  }
  if (planted_ != ViewFault::forget_what_was_folded) {
    know(*event.place, std::move(folded.row), size);
  }
  return true;
}

void Projection::fold(ViewEffects& effects) {
  Round round{.rows = {}, .checkpoint = checkpoint_};
  journal::ReadToken last = position_;
  while (!pending_.empty() && fold_one(pending_.front(), round)) {
    last.move_to(pending_.front().position);
    last_recorded_ms_ = pending_.front().recorded_ms;
    pending_.pop_front();
  }
  // Behind the last event lies nothing up to where the page ended.
  round.checkpoint.position = pending_.empty() || planted_ == ViewFault::checkpoint_ahead ? read_to_ : last;
  if (planted_ == ViewFault::checkpoint_stays) {
    round.checkpoint.position = checkpoint_.position;
  }
  if (round.folded + round.ignored == 0 && !stopping_.empty()) {  // there is nothing to save before it ends
    saving_ = Round{.rows = {}, .checkpoint = checkpoint_};
    (void)saved(effects);
    return;
  }
  FLOTILLA_ASSERT(round.folded + round.ignored > 0 || planted_ != ViewFault::none);
  step_ = Step::saving;
  effect::Save save{
      .generation = generation_, .checkpoint = round.checkpoint, .rows = {}, .topics = view_->texts.from};
  for (const auto& [name, text] : round.rows) {
    save.rows.emplace_back(name, text);
  }
  saving_ = std::move(round);
  effects.emplace_back(std::move(save));
}

std::optional<Projection::Done> Projection::saved(ViewEffects& effects) {
  if (!saving_) {
    return std::nullopt;
  }
  const Round round = *std::exchange(saving_, std::nullopt);
  checkpoint_ = round.checkpoint;
  position_.advance_to(checkpoint_.position);
  counters_.folded.add(round.folded);
  counters_.ignored.add(round.ignored);
  counters_.saves.add(round.folded + round.ignored > 0 ? 1 : 0);
  Done done;
  for (const auto& [name, text] : round.rows) {
    if (done.changed.empty() || done.changed.back() != name.key) {
      done.changed.push_back(name.key);
    }
  }
  forget_old();
  if (!stopping_.empty()) {
    step_ = Step::stopped;
    failure_ = std::exchange(stopping_, {});
    counters_.failures.add();
    effects.emplace_back(effect::Failed{.generation = generation_, .position = failed_at_, .why = failure_});
    return done;
  }
  work(effects);
  return done;
}

}  // namespace flotilla::cqrs
