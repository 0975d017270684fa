#include "flotilla/cqrs/core/copy_engine.hpp"

#include <algorithm>
#include <utility>

namespace flotilla::cqrs {

CopyEngine::CopyEngine(Duration ttl, const CopyLimits& limits, CopyCounters& counters, std::uint64_t seed,
                       CopyFault planted)
    : ttl_ms_(std::chrono::duration_cast<std::chrono::milliseconds>(ttl).count()),
      limits_(limits),
      counters_(counters),
      random_(seed),
      planted_(planted) {}

CopyEffects CopyEngine::step(CopyInput in) {
  if (!over_) {
    std::visit([this](auto& each) { on(each); }, in);
  }
  if (!over_) {
    pump();
  }
  return std::exchange(effects_, {});
}

void CopyEngine::on(copying::Served& in) {
  const bool first = generation_ == 0;
  const bool flips = !first && in.generation != generation_;
  generation_ = in.generation;
  position_ = std::max(position_, in.position);
  if (first) {
    begun_at_ = position_;
    claim();
  }
  if (flips && planted_ != CopyFault::keep_old_version) {
    for (auto& [key, entry] : entries_) {  // what was read is of the version before
      entry.again = entry.again || entry.state != State::waiting;
    }
    for (const std::string& key : std::exchange(ready_, {})) {
      wait_again(key, entries_.at(key));
    }
    ready_bytes_ = 0;
  }
  if ((flips && planted_ != CopyFault::flip_copies_nothing) || (in.all && !first)) {
    need_sweep();
  }
  for (std::string& key : in.keys) {
    change(std::move(key));
  }
}

void CopyEngine::change(std::string key) {
  if (const auto found = entries_.find(key); found != entries_.end()) {
    found->second.again = true;
  } else if (!add(std::move(key)) && planted_ != CopyFault::forget_overflow) {
    counters_.overflows.add(sweep_needed_ ? 0 : 1);
    need_sweep();
  }
}

bool CopyEngine::add(std::string key) {
  if (entries_.size() >= limits_.keys) {
    return false;
  }
  waiting_.push_back(key);
  entries_.emplace(std::move(key), Entry());
  return true;
}

void CopyEngine::wait_again(const std::string& key, Entry& entry) {
  entry.state = State::waiting;
  entry.again = false;
  entry.body = nullptr;
  waiting_.push_back(key);
}

void CopyEngine::need_sweep() { sweep_needed_ = true; }

void CopyEngine::on(copying::Offered& in) {
  if (connected_ && !sweep_needed_ && !entries_.contains(in.key) && add(std::move(in.key))) {
    counters_.offered.add();
  }
}

// Whoever empties Redis tells nobody; a batch of nothing finds that the marker is gone.
void CopyEngine::on(const copying::Tick&) { ask_redis_ = true; }

void CopyEngine::claim() { effects_.emplace_back(copying::Claim{.batch = last_batch_, .last = claim_}); }

// Whether Redis has all that it is thought to have: what we saw it take, or what it was left with.
bool CopyEngine::trusts(const copying::Claimed& in) const {
  const CopyMarker& before = in.before;
  if (!claim_.empty()) {
    return planted_ == CopyFault::trust_redis ||
           (in.same_journal && before.claim == claim_ && before.batch >= done_batch_);
  }
  return planted_ == CopyFault::start_trusting ||
         (in.same_journal && before.generation == generation_ && before.position >= begun_at_);
}

void CopyEngine::on(copying::Claimed& in) {
  counters_.claims.add();
  if (!trusts(in)) {
    need_sweep();
  }
  connected_ = true;
  claim_ = std::move(in.claim);
  done_batch_ = last_batch_;
  marked_generation_ = 0;  // a claim takes that back
  marked_position_ = 0;
}

void CopyEngine::on(const copying::Outdated& in) { supersede(in.why); }

void CopyEngine::supersede(std::string why) {
  over_ = true;
  connected_ = false;
  entries_.clear();
  waiting_.clear();
  ready_.clear();
  sent_.clear();
  effects_.emplace_back(copying::Superseded{std::move(why)});
}

void CopyEngine::on(const copying::Lost&) {
  lose();
  claim();
}

void CopyEngine::lose() {
  connected_ = false;
  loading_ = 0;
  ready_.clear();
  ready_bytes_ = 0;
  sent_.clear();
  for (auto each = entries_.begin(); each != entries_.end();) {
    Entry& entry = each->second;
    if (entry.state == State::writing && planted_ == CopyFault::forget_unanswered) {
      each = entries_.erase(each);
      continue;
    }
    if (entry.state != State::waiting) {
      wait_again(each->first, entry);
    }
    ++each;
  }
  if (phase_ != Phase::none) {
    phase_ = Phase::none;
    need_sweep();
  }
}

void CopyEngine::on(copying::Loaded& in) {
  const auto found = entries_.find(in.key);
  if (found == entries_.end() || found->second.state != State::loading || found->second.load != in.load) {
    return;
  }
  Entry& entry = found->second;
  --loading_;
  if (in.generation != generation_ && planted_ != CopyFault::keep_old_version) {
    wait_again(in.key, entry);
    return;
  }
  counters_.too_large.add(in.too_large ? 1 : 0);
  entry.state = State::ready;
  entry.body = in.too_large ? nullptr : std::move(in.body);
  ready_bytes_ += entry.body ? entry.body->json.size() : 0;
  ready_.push_back(std::move(in.key));
}

void CopyEngine::on(const copying::Written& in) {
  if (sent_.empty() || sent_.front().batch != in.batch) {
    return;  // of a connection that is lost
  }
  if (in.outcome != copying::Outcome::done && planted_ != CopyFault::ignore_refusal) {
    if (in.outcome == copying::Outcome::taken) {
      supersede("another journal has begun to write these copies");
      return;
    }
    counters_.refused.add(in.outcome == copying::Outcome::refused ? 1 : 0);
    lose();
    claim();
    return;
  }
  const Sent sent = std::move(sent_.front());
  sent_.pop_front();
  done_batch_ = in.batch;
  const std::uint64_t not_taken = std::min(in.not_taken, sent.copies);
  counters_.not_taken.add(not_taken);
  counters_.written.add(sent.copies - not_taken);
  counters_.removed.add(sent.keys.size() - sent.copies);
  settle(sent);
}

void CopyEngine::settle(const Sent& sent) {
  for (const std::string& key : sent.keys) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
      continue;
    }
    if (found->second.again && planted_ != CopyFault::settle_too_early) {
      wait_again(key, found->second);
    } else {
      entries_.erase(found);
    }
  }
}

void CopyEngine::on(copying::Scanned& in) {
  if (phase_ != Phase::scanning || in.sweep != sweep_) {
    return;
  }
  asked_ = false;
  cursor_ = std::move(in.next);
  if (cursor_ == "0") {
    phase_ = Phase::walking;
    after_.reset();
  }
  for (std::string& key : in.keys) {
    change(std::move(key));
  }
}

void CopyEngine::on(copying::Walked& in) {
  if (phase_ != Phase::walking || in.sweep != sweep_) {
    return;
  }
  asked_ = false;
  if (in.next) {
    after_ = std::move(in.next);
  } else {
    phase_ = Phase::none;
  }
  for (std::string& key : in.keys) {
    change(std::move(key));
  }
}

void CopyEngine::pump() {
  if (!connected_) {
    return;
  }
  sweep_on();
  load();
  write();
}

// First what has a copy, for that may be wrong; then what may have none.
void CopyEngine::sweep_on() {
  if (sweep_needed_ && phase_ == Phase::none) {
    sweep_needed_ = false;
    counters_.resyncs.add();
    ++sweep_;
    asked_ = false;
    cursor_ = "0";
    after_.reset();
    phase_ = planted_ == CopyFault::leave_strangers ? Phase::walking : Phase::scanning;
  }
  if (phase_ == Phase::none || asked_ || entries_.size() > limits_.keys / 4) {
    return;
  }
  asked_ = true;
  if (phase_ == Phase::scanning) {
    effects_.emplace_back(copying::Scan{.sweep = sweep_, .cursor = cursor_});
  } else {
    effects_.emplace_back(copying::Walk{.sweep = sweep_, .generation = generation_, .after = after_});
  }
}

void CopyEngine::load() {
  while (!waiting_.empty() && loading_ < limits_.loads && ready_.size() < limits_.batch_keys &&
         ready_bytes_ < limits_.batch_bytes) {
    std::string key = std::move(waiting_.front());
    waiting_.pop_front();
    Entry& entry = entries_.at(key);
    entry.state = State::loading;
    entry.again = false;
    entry.load = ++last_load_;
    ++loading_;
    effects_.emplace_back(
        copying::Load{.load = entry.load, .generation = generation_, .key = std::move(key)});
  }
}

bool CopyEngine::is_time_to_write() const {
  if (sent_.size() >= limits_.batches) {
    return false;
  }
  if (!ready_.empty()) {
    return sent_.empty() || loading_ == 0 || ready_.size() >= limits_.batch_keys;
  }
  // Nothing but that it is complete.
  return entries_.empty() && sent_.empty() && !is_sweeping() && (!is_complete() || ask_redis_);
}

void CopyEngine::write() {
  while (is_time_to_write()) {
    copying::Write next = next_write();
    counters_.batches.add();
    marked_generation_ = next.generation;
    marked_position_ = next.position;
    effects_.emplace_back(std::move(next));
  }
}

copying::Write CopyEngine::next_write() {
  copying::Write out{.batch = ++last_batch_, .claim = claim_, .items = {}, .generation = 0, .position = 0};
  Sent sent{.batch = out.batch, .keys = {}, .copies = 0};
  std::size_t bytes = 0;
  while (!ready_.empty() && out.items.size() < limits_.batch_keys) {
    Entry& entry = entries_.at(ready_.front());
    const std::size_t more = entry.body ? entry.body->json.size() : 0;
    if (!out.items.empty() && bytes + more > limits_.batch_bytes) {
      break;
    }
    bytes += more;
    ready_bytes_ -= more;
    entry.state = State::writing;
    sent.copies += entry.body ? 1 : 0;
    sent.keys.push_back(ready_.front());
    const auto less = static_cast<std::int64_t>(
        random_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(ttl_ms_ / 10, 1))));
    copying::Item item{.key = std::move(ready_.front()),
                       .body = std::exchange(entry.body, nullptr),
                       .ttl_ms = std::max<std::int64_t>(ttl_ms_ - less, 1)};
    if (item.body || planted_ != CopyFault::keep_removed) {
      out.items.push_back(std::move(item));
    }
    ready_.pop_front();
  }
  sent_.push_back(std::move(sent));
  ask_redis_ = false;
  const auto is_settling = [](const auto& each) {
    return each.second.state == State::writing && !each.second.again;
  };
  const bool last = waiting_.empty() && loading_ == 0 && ready_.empty() && !is_sweeping() &&
                    std::ranges::all_of(entries_, is_settling);
  if (last || planted_ == CopyFault::mark_too_early) {
    out.generation = generation_;
    out.position = position_;
  }
  return out;
}

}  // namespace flotilla::cqrs
