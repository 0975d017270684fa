#include "flotilla/events/core/outbox_relay.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"

namespace flotilla::events {
namespace {

using namespace outbox_effect;
using What = Tell::What;
using Kind = outbox_input::Answer::Kind;

// Longer than anything waits: what failed before that is no longer remembered.
constexpr Duration kRemembered = std::chrono::hours(1);
constexpr char kByPosition = '\0';  // PostgreSQL has none in a text, so no topic begins with it

}  // namespace

OutboxRelay::OutboxRelay(OutboxPolicy policy, std::uint64_t seed, OutboxFault planted)
    : policy_(std::move(policy)), random_(seed), planted_(planted) {}

std::size_t OutboxRelay::waiting_topics() const noexcept { return topics_.size(); }

void OutboxRelay::step(Instant now, OutboxInput input, std::vector<OutboxEffect>& effects) {
  now_ = now;
  effects_ = &effects;
  std::visit([this](auto& each) { on(std::move(each)); }, input);
  effects_ = nullptr;
}

void OutboxRelay::on(outbox_input::Connected /*connected*/) {
  connect_failures_ = 0;
  told_standby_ = false;
  read();
}

void OutboxRelay::on(outbox_input::Standby /*standby*/) {
  if (stopping_) {
    return read();
  }
  connect_failures_ = 0;
  if (!std::exchange(told_standby_, true)) {
    tell(What::standing_by, {}, {}, {});
  }
  emit(Connect{.after = policy_.standby});
}

void OutboxRelay::on(const outbox_input::DatabaseFailed& failed) {
  FLOTILLA_ASSERT(under_way_ == 0);
  ++counters_.database_failures;
  // What was acknowledged is read again, and published again as a duplicate: a position may mean another row
  // in what the next connection finds there.
  acked_.clear();
  if (stopping_) {
    return read();
  }
  if (++connect_failures_ == 1) {
    tell(What::database_failed, {}, {}, failed.detail);
  }
  emit(Connect{.after = delay_of(policy_.retry, connect_failures_)});
}

void OutboxRelay::on(outbox_input::Woken /*woken*/) {
  if (!std::exchange(begun_, true)) {
    emit(Connect{});
    return;
  }
  read();
}

void OutboxRelay::on(outbox_input::Forgotten /*forgotten*/) {
  if (planted_ == OutboxFault::forget_before_ack && !lanes_.empty()) {
    acked_.clear();
    for (auto& [topic, lane] : lanes_) {
      send_next(lane);
    }
    if (under_way_ == 0) {
      read();
    }
    return;
  }
  counters_.forgotten += acked_.size();
  acked_.clear();
  read();
}

void OutboxRelay::on(outbox_input::Stop /*stop*/) {
  stopping_ = true;
  for (auto& [topic, lane] : lanes_) {
    if (lane.request != 0) {
      lane.chunks.resize(1);
    }
  }
}

// Whatever is under way at the database has been answered.
void OutboxRelay::read() {
  if (stopping_) {
    if (!std::exchange(stopped_, true)) {
      emit(Stopped{});
    }
    return;
  }
  forget_old_delays();
  Read read{.limit = policy_.batch, .topics = {}, .keys = {}, .positions = {}};
  for (const auto& [topic, delay] : topics_) {
    if (delay.until > now_) {
      read.topics.push_back(topic);
    }
  }
  for (const auto& [name, delay] : held_) {
    if (delay.until <= now_) {
      continue;
    }
    if (name.front() == kByPosition) {
      read.positions.push_back(std::stoull(name.substr(1)));
    } else {
      read.keys.push_back(name);
    }
  }
  if (read.keys.size() + read.positions.size() >= policy_.held && planted_ != OutboxFault::hold_everything) {
    if (counters_.at_bound++ == 0) {
      tell(What::at_bound, {}, {}, fmt::format("{} keys are held", policy_.held));
    }
    return wait();
  }
  emit(std::move(read));
}

void OutboxRelay::wait() { emit(Wait{.longest = policy_.poll}); }

// How many rows from the first on may go.
std::size_t OutboxRelay::eligible_rows(const outbox_input::Page& page) {
  if (planted_ == OutboxFault::ignore_horizon) {
    return rows_.size();
  }
  const std::uint64_t beyond = planted_ == OutboxFault::hold_restored ? UINT64_MAX : page.beyond;
  const auto open = std::ranges::find_if(
      rows_, [&](const OutboxRow& row) { return row.xid >= page.horizon && row.xid < beyond; });
  counters_.behind_horizon += open == rows_.end() ? 0U : 1U;
  return static_cast<std::size_t>(open - rows_.begin());
}

// What a relay does that goes by positions, or by time.
void OutboxRelay::plant_cursor() {
  if (planted_ == OutboxFault::skip_by_position) {
    std::erase_if(rows_, [this](const OutboxRow& row) { return row.position <= highest_; });
    highest_ = rows_.empty() ? highest_ : rows_.back().position;
  }
  if (planted_ == OutboxFault::skip_by_time) {
    constexpr Duration kPatience = std::chrono::milliseconds(100);
    std::erase_if(rows_, [this](const OutboxRow& row) { return row.position <= highest_; });
    std::uint64_t next = highest_ + 1;
    std::size_t dense = 0;
    while (dense < rows_.size() && rows_[dense].position == next) {
      ++dense;
      ++next;
    }
    const bool gap = dense < rows_.size();
    if (gap && gap_since_ == Instant::max()) {
      gap_since_ = now_;
    }
    if (!gap || now_ - gap_since_ < kPatience) {
      rows_.resize(dense);
      gap_since_ = gap ? gap_since_ : Instant::max();
    } else {
      gap_since_ = Instant::max();
    }
    highest_ = rows_.empty() ? highest_ : rows_.back().position;
  }
}

void OutboxRelay::on(outbox_input::Page page) {
  ++counters_.pages;
  rows_ = std::move(page.rows);
  more_ = page.more;
  changed_ = false;
  plant_cursor();
  fill_lanes(stopping_ ? 0 : eligible_rows(page));
  if (planted_ == OutboxFault::forget_before_ack && !lanes_.empty()) {
    for (const auto& [topic, lane] : lanes_) {
      for (const Chunk& chunk : lane.chunks) {
        for (const std::size_t row : chunk) {
          acked_.push_back(rows_[row].position);
        }
      }
    }
    emit(Forget{.positions = acked_});
    return;
  }
  for (auto& [topic, lane] : lanes_) {
    send_next(lane);
    if (planted_ == OutboxFault::two_at_once && lane.chunks.size() > 1) {
      Lane& second = lanes_[topic + '\0'];
      second.chunks.push_back(lane.chunks[1]);
      lane.chunks.erase(lane.chunks.begin() + 1);
    }
  }
  if (under_way_ == 0) {
    end_cycle();
  }
}

void OutboxRelay::fill_lanes(std::size_t eligible) {
  lanes_.clear();
  held_now_.clear();
  rendered_.assign(rows_.size(), {});
  std::map<std::string, std::size_t> bytes;  // of the last chunk, by topic
  for (std::size_t i = 0; i < eligible; ++i) {
    const OutboxRow& row = rows_[i];
    if (held_now_.contains(name_of(row))) {
      continue;
    }
    auto event = render_event(row, policy_.source);
    if (!event) {
      ++counters_.refused_rows;
      hold(i, event.error().message);
      continue;
    }
    rendered_[i] = std::move(*event);
    std::deque<Chunk>& chunks = lanes_[row.topic].chunks;
    std::size_t& size = bytes[row.topic];
    if (chunks.empty() || chunks.back().size() == policy_.batch ||
        size + rendered_[i].size() > policy_.bytes) {
      chunks.emplace_back();
      size = 0;
    }
    chunks.back().push_back(i);
    size += rendered_[i].size();
  }
}

// The lane's first chunk; one without rows is none.
void OutboxRelay::send_next(Lane& lane) {
  while (!lane.chunks.empty() && lane.chunks.front().empty()) {
    lane.chunks.pop_front();
  }
  if (lane.chunks.empty()) {
    return;
  }
  lane.request = ++last_request_;
  ++under_way_;
  ++counters_.requests;
  Publish publish{.request = lane.request, .topic = rows_[lane.chunks.front().front()].topic, .events = {}};
  for (const std::size_t row : lane.chunks.front()) {
    publish.events.push_back(rendered_[row]);
  }
  emit(std::move(publish));
}

void OutboxRelay::on(const outbox_input::Answer& answer) {
  const auto found =
      std::ranges::find_if(lanes_, [&](const auto& each) { return each.second.request == answer.request; });
  if (answer.request == 0 || found == lanes_.end()) {
    return;
  }
  auto& [topic, lane] = *found;
  lane.request = 0;
  --under_way_;
  switch (answer.kind) {
    case Kind::published:
      settle_published(topic, lane, answer);
      break;
    case Kind::refused:
      settle_refused(lane, answer);
      break;
    case Kind::no_topic:
    case Kind::unavailable:
      settle_failed(topic, lane, answer);
      break;
  }
  if (stopping_) {
    lane.chunks.clear();
  }
  send_next(lane);
  if (under_way_ == 0) {
    end_cycle();
  }
}

void OutboxRelay::settle_published(const std::string& topic, Lane& lane, const outbox_input::Answer& answer) {
  counters_.published += lane.chunks.front().size();
  counters_.duplicates += answer.duplicates;
  for (const std::size_t row : lane.chunks.front()) {
    acked_.push_back(rows_[row].position);
    if (held_.erase(name_of(rows_[row])) > 0) {
      tell(What::row_went, topic, rows_[row].id, {});
    }
  }
  lane.chunks.pop_front();
  if (topics_.erase(topic) > 0) {
    tell(What::topic_goes_on, topic, {}, {});
  }
}

void OutboxRelay::settle_refused(Lane& lane, const outbox_input::Answer& answer) {
  ++counters_.refused_requests;
  Chunk chunk = std::move(lane.chunks.front());
  lane.chunks.pop_front();
  if (chunk.size() > 1 && planted_ != OutboxFault::split_nothing) {
    const auto middle = chunk.begin() + static_cast<std::ptrdiff_t>(chunk.size() / 2);
    lane.chunks.emplace_front(middle, chunk.end());
    lane.chunks.emplace_front(chunk.begin(), middle);
    return;
  }
  for (const std::size_t row : chunk) {
    ++counters_.refused_rows;
    if (planted_ == OutboxFault::drop_refused) {
      acked_.push_back(rows_[row].position);
      continue;
    }
    hold(row, answer.detail);
    if (planted_ == OutboxFault::pass_refused) {
      continue;
    }
    for (Chunk& later : lane.chunks) {
      std::erase_if(later, [&](std::size_t each) { return held_now_.contains(name_of(rows_[each])); });
    }
  }
}

// What is left of the topic stays for another time.
void OutboxRelay::settle_failed(const std::string& topic, Lane& lane, const outbox_input::Answer& answer) {
  ++counters_.failed_requests;
  if (planted_ == OutboxFault::pass_failed) {
    lane.chunks.pop_front();
    return;
  }
  lane.chunks.clear();
  if (planted_ == OutboxFault::ignore_backoff) {
    return;
  }
  Delay& delay = topics_[topic];
  if (++delay.failures == 1) {
    tell(What::topic_waits, topic, {}, answer.detail);
  }
  const Duration asked = std::min(answer.retry_after.value_or(Duration::zero()), policy_.longest_retry_after);
  delay.until = now_ + std::max(delay_of(policy_.retry, delay.failures), asked);
  changed_ = true;
}

// Nothing of the page is under way any more.
void OutboxRelay::end_cycle() {
  if (planted_ == OutboxFault::forget_before_ack) {
    acked_.clear();
  }
  if (planted_ == OutboxFault::forget_failed && !lanes_.empty()) {
    acked_.clear();
    for (const OutboxRow& row : rows_) {
      acked_.push_back(row.position);
    }
  }
  lanes_.clear();
  if (!acked_.empty()) {
    emit(Forget{.positions = acked_});
  } else if (stopping_ || (changed_ && more_)) {
    read();  // beyond what is left alone from now on there may be more
  } else {
    wait();
  }
}

void OutboxRelay::hold(std::size_t row, const std::string& why) {
  std::string name = name_of(rows_[row]);
  Delay& delay = held_[name];
  if (++delay.failures == 1) {
    tell(What::row_held, rows_[row].topic, rows_[row].id, why);
  }
  delay.until = now_ + delay_of(policy_.hold, delay.failures);
  held_now_.insert(std::move(name));
  changed_ = true;
}

// Rows that somebody deleted are never heard of again.
void OutboxRelay::forget_old_delays() {
  const auto is_old = [this](const auto& each) { return now_ - each.second.until > kRemembered; };
  std::erase_if(held_, is_old);
  std::erase_if(topics_, is_old);
}

// From half of the ceiling up: never at once.
Duration OutboxRelay::delay_of(const resilience::RetryPolicy& policy, std::uint32_t failures) {
  const Duration ceiling = resilience::backoff_ceiling(policy, failures);
  return ceiling / 2 + Duration(random_.below(static_cast<std::uint64_t>((ceiling / 2).count())));
}

// What a refused row holds: its key, or without one itself.
std::string OutboxRelay::name_of(const OutboxRow& row) {
  return row.key ? fmt::format("{}/{}", row.topic, *row.key) : fmt::format("{}{}", kByPosition, row.position);
}

void OutboxRelay::tell(What what, std::string topic, std::string id, std::string detail) {
  emit(Tell{.what = what, .topic = std::move(topic), .id = std::move(id), .detail = std::move(detail)});
}

}  // namespace flotilla::events
