#include "flotilla/events/core/simulation/outbox_world.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::events::simulation {
namespace {

using namespace std::chrono_literals;
using outbox_input::Answer;

constexpr std::size_t kTopics = 3;
constexpr std::size_t kKeys = 4;
constexpr std::size_t kMostEvents = 12;  // rows a page, events a request
constexpr std::size_t kMostHeld = 5;
// What a run should reach at least once in many.
constexpr const char* kWanted[] = {"committed",
                                   "rolled back",
                                   "late committer",
                                   "behind the horizon",
                                   "crash",
                                   "database lost",
                                   "deletion lost",
                                   "request lost",
                                   "answer lost",
                                   "late request",
                                   "refused",
                                   "held",
                                   "went after all",
                                   "topic unknown",
                                   "away",
                                   "retry after",
                                   "duplicate",
                                   "at the bound",
                                   "no key",
                                   "restored",
                                   "written after a commit of its key"};

std::string event_id(const std::string& event) {
  return std::string((*json::parse(event))["id"].as_string());
}

}  // namespace

std::vector<std::string> OutboxCoverage::missing() const {
  std::vector<std::string> names;
  for (const char* name : kWanted) {
    if (!counts.contains(name)) {
      names.emplace_back(name);
    }
  }
  return names;
}

OutboxWorld::OutboxWorld(const OutboxWorldConfig& config, OutboxCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed), now_(Instant{} + 1h) {
  policy_.batch = 1 + random_.below(kMostEvents);
  policy_.bytes = 200 + random_.below(2000);
  policy_.held = kMostHeld;
  policy_.retry.cap = 1s;
  policy_.hold.cap = 2s;
  const auto share = [this](double most) { return likely(0.3) ? 0 : random_.unit() * most; };
  p_crash_ = share(0.01);
  p_lost_ = share(0.3);
  p_database_ = share(0.1);
  p_bad_ = share(0.15);
  p_patient_ = share(0.2);
  p_back_ = share(0.3);
}

void OutboxWorld::violate(std::string what) {
  if (violation_.empty()) {
    violation_ = std::move(what);
  }
}

Duration OutboxWorld::between(Duration least, Duration most) {
  return least + Duration(random_.below(static_cast<std::uint64_t>((most - least).count())));
}

void OutboxWorld::schedule(Duration in, Action action) {
  due_.push({.at = now_ + in, .order = ++order_, .action = std::make_shared<Action>(std::move(action))});
}

// Rows of a database with other transactions, of which this one is a restored copy.
void OutboxWorld::restore() {
  writers_.push_back({.xid = 1'000'000'000, .state = Writer::State::committed, .patient = false});
  for (std::size_t i = random_.below(4); i > 0; --i) {
    write(0);
    count("restored");
  }
}

std::string OutboxWorld::run() {
  restore();
  begin_life();
  schedule(1ms, Transact{});
  schedule(10ms, WeatherChanges{});
  for (std::size_t i = 0; i < config_.events && violation_.empty(); ++i) {
    happen();
  }
  healed_ = true;
  away_ = false;
  unknown_topics_.clear();
  for (auto& [position, row] : rows_) {
    row.bad = row.forever;
  }
  for (std::size_t i = 0; i < writers_.size(); ++i) {
    if (writers_[i].state == Writer::State::open) {
      end(i);
    }
  }
  // So long that a minute's back-off passes many times; a relay without anything to do asks every poll.
  const Instant limit = now_ + 10min;
  while (violation_.empty() && now_ < limit && !due_.empty() && !all_done()) {
    happen();
  }
  if (violation_.empty()) {
    check_end();
  }
  return violation_.empty() ? violation_ : fmt::format("seed {}: {}", config_.seed, violation_);
}

void OutboxWorld::happen() {
  Due due = due_.top();
  due_.pop();
  now_ = due.at;
  std::visit([this](auto& each) { on(each); }, *due.action);
}

void OutboxWorld::begin_life() {
  ++life_;
  under_way_.clear();
  not_before_.clear();
  relay_.emplace(policy_, random_.next(), config_.planted);
  feed(outbox_input::Woken{});
}

void OutboxWorld::feed(OutboxInput input) {
  std::vector<OutboxEffect> effects;
  const std::uint64_t bound = relay_->counters().at_bound;
  relay_->step(now_, std::move(input), effects);
  if (relay_->counters().at_bound > bound) {
    count("at the bound");
  }
  for (const OutboxEffect& effect : effects) {
    std::visit([this](const auto& each) { carry_out(each); }, effect);
  }
}

void OutboxWorld::on(const Transact& /*transact*/) {
  if (healed_) {
    return;
  }
  std::vector<std::size_t> open;
  for (std::size_t i = writers_.size(); i > 0 && open.size() < 8; --i) {
    if (writers_[i - 1].state == Writer::State::open) {
      open.push_back(i - 1);
    }
  }
  if (open.empty() || (open.size() < 6 && likely(0.4))) {
    writers_.push_back({.patient = likely(p_patient_)});
    if (likely(0.5)) {
      writers_.back().xid = next_xid_++;  // it has written somewhere else
    }
  } else {
    const std::size_t one = open[random_.below(open.size())];
    if (likely(0.6)) {
      write(one);
    } else if (!writers_[one].patient || likely(0.05)) {
      end(one);
    }
  }
  schedule(between(0ms, 8ms), Transact{});
}

void OutboxWorld::write(std::size_t writer) {
  if (writers_[writer].xid == 0) {
    writers_[writer].xid = next_xid_++;
  }
  Row row{.writer = writer};
  row.row.position = next_position_++;
  row.row.xid = writers_[writer].xid;
  row.row.topic = fmt::format("t{}", random_.below(kTopics));
  row.row.id = fmt::format("e{}", row.row.position);
  if (likely(0.9)) {
    row.row.key = fmt::format("k{}", random_.below(kKeys));
  } else {
    count("no key");
  }
  // More of them than can be held would stop everything, as they should.
  row.forever = forever_ + 2 < kMostHeld && likely(0.03);
  row.row.data = row.forever && likely(0.5) ? "no JSON" : "1";
  row.bad = row.was_bad = row.forever || likely(p_bad_);
  forever_ += row.forever ? 1U : 0U;
  for (const auto& [position, other] : rows_) {
    const bool same = row.row.key && other.row.key == row.row.key && other.row.topic == row.row.topic;
    if (same && writers_[other.writer].state == Writer::State::committed) {
      row.seen.insert(position);
      count("written after a commit of its key");
    }
  }
  position_of_[row.row.id] = row.row.position;
  rows_.emplace(row.row.position, std::move(row));
}

void OutboxWorld::end(std::size_t writer) {
  const bool commits = likely(0.8);
  writers_[writer].state = commits ? Writer::State::committed : Writer::State::rolled_back;
  count(commits ? "committed" : "rolled back");
  const auto published = [](const auto& each) { return each.second.stored.has_value(); };
  const auto own =
      std::ranges::find_if(rows_, [&](const auto& each) { return each.second.writer == writer; });
  if (commits && own != rows_.end() && std::any_of(own, rows_.end(), published)) {
    count("late committer");
  }
}

bool OutboxWorld::visible(const Row& row) const {
  return !row.deleted && writers_[row.writer].state == Writer::State::committed;
}

std::uint64_t OutboxWorld::horizon() const {
  std::uint64_t least = next_xid_;
  for (const Writer& writer : writers_) {
    if (writer.state == Writer::State::open && writer.xid != 0) {
      least = std::min(least, writer.xid);
    }
  }
  return least;
}

void OutboxWorld::carry_out(const outbox_effect::Connect& connect) {
  schedule(connect.after + between(1ms, 5ms), DatabaseDone{.life = life_, .told = outbox_input::Connected{}});
}

void OutboxWorld::carry_out(const outbox_effect::Read& read) {
  if (read.keys.size() + read.positions.size() > policy_.held) {
    violate("X7: more is held than the bound");
  }
  for (const auto& [position, row] : rows_) {
    if (std::ranges::find(read.positions, position) != read.positions.end() && !row.was_bad) {
      violate(fmt::format("X7: row {} is held, and was never refused", position));
    }
  }
  for (const std::string& key : read.keys) {
    if (std::ranges::none_of(rows_, [&](const auto& each) {
          const Row& row = each.second;
          return row.was_bad && row.row.key && row.row.topic + "/" + *row.row.key == key;
        })) {
      violate("X7: the key " + key + " is held, and none of its rows was ever refused");
    }
  }
  outbox_input::Page page{.rows = {}, .horizon = horizon(), .beyond = next_xid_, .more = false};
  const auto is_in = [](const auto& list, const auto& value) {
    return std::ranges::find(list, value) != list.end();
  };
  for (const auto& [position, row] : rows_) {
    const std::string key = row.row.topic + "/" + row.row.key.value_or("");
    if (!visible(row) || is_in(read.topics, row.row.topic) || is_in(read.positions, position) ||
        (row.row.key && is_in(read.keys, key))) {
      continue;
    }
    if (page.rows.size() == read.limit) {
      page.more = true;
      break;
    }
    if (row.row.xid >= page.horizon && row.row.xid < page.beyond) {
      count("behind the horizon");
    }
    page.rows.push_back(row.row);
  }
  schedule(between(0ms, 3ms), DatabaseDone{.life = life_, .told = std::move(page)});
}

void OutboxWorld::carry_out(const outbox_effect::Forget& forget) {
  const bool lost = !healed_ && likely(p_database_);
  if (!lost || likely(0.5)) {
    for (const std::uint64_t position : forget.positions) {
      Row& row = rows_.at(position);
      if (!row.stored) {
        violate(fmt::format("X3: row {} is deleted and was never published", position));
      }
      row.deleted = true;
    }
    count(lost ? "deletion lost" : "deleted");
  }
  schedule(between(0ms, 5ms), DatabaseDone{.life = life_,
                                           .told = lost ? OutboxInput(outbox_input::DatabaseFailed{"ended"})
                                                        : OutboxInput(outbox_input::Forgotten{})});
}

void OutboxWorld::carry_out(const outbox_effect::Wait& wait) {
  schedule(between(0ms, wait.longest), DatabaseDone{.life = life_, .told = outbox_input::Woken{}});
}

void OutboxWorld::carry_out(const outbox_effect::Tell& tell) {
  using What = outbox_effect::Tell::What;
  if (tell.what == What::row_held) {
    count("held");
  } else if (tell.what == What::row_went) {
    count("went after all");
  }
}

void OutboxWorld::carry_out(const outbox_effect::Stopped& /*stopped*/) { violate("nobody said to stop"); }

void OutboxWorld::on(DatabaseDone& done) {
  if (done.life != life_) {
    return;
  }
  if (!healed_ && !std::holds_alternative<outbox_input::DatabaseFailed>(done.told) &&
      likely(p_database_ / 4)) {
    count("database lost");
    return feed(outbox_input::DatabaseFailed{"ended"});
  }
  feed(std::move(done.told));
}

void OutboxWorld::carry_out(const outbox_effect::Publish& publish) {
  if (std::uint64_t& under_way = under_way_[publish.topic]; ++under_way > 1) {
    violate("X6: a second request of " + publish.topic);
  }
  if (const auto before = not_before_.find(publish.topic);
      before != not_before_.end() && now_ < before->second) {
    violate("X6: a request of " + publish.topic + " before its time");
  }
  std::size_t bytes = 0;
  for (const std::string& event : publish.events) {
    bytes += event.size();
  }
  if (publish.events.empty() || publish.events.size() > policy_.batch ||
      (bytes > policy_.bytes && publish.events.size() > 1)) {
    violate("X6: a request beyond its bounds");
  }
  Request request{.life = life_, .id = publish.request, .topic = publish.topic, .events = publish.events};
  const bool late = !healed_ && likely(p_lost_ / 4);
  schedule(late ? between(10ms, 500ms) : between(0ms, 5ms),
           Arrive{.request = std::move(request), .answered = healed_ || !likely(p_lost_)});
}

Answer OutboxWorld::judge(const Request& request) {
  Answer answer{.request = request.id, .kind = Answer::Kind::unavailable, .retry_after = {}, .detail = {}};
  if (away_) {
    count("away");
    if (likely(p_back_)) {
      count("retry after");
      answer.retry_after = between(100ms, 2s);
    }
    return answer;
  }
  if (unknown_topics_.contains(request.topic)) {
    count("topic unknown");
    answer.kind = Answer::Kind::no_topic;
    return answer;
  }
  for (const std::string& event : request.events) {
    if (rows_.at(position_of_.at(event_id(event))).bad) {
      count("refused");
      answer.kind = Answer::Kind::refused;
      return answer;
    }
  }
  answer.kind = Answer::Kind::published;
  for (const std::string& event : request.events) {
    Row& row = rows_.at(position_of_.at(event_id(event)));
    if (row.stored) {
      count("duplicate");
      ++answer.duplicates;
    } else {
      store(row);
    }
  }
  return answer;
}

void OutboxWorld::on(const Arrive& arrive) {
  if (arrive.request.life != life_) {
    count("late request");
  }
  const bool lost = !healed_ && !arrive.answered && likely(0.5);
  Answer answer{
      .request = arrive.request.id, .kind = Answer::Kind::unavailable, .retry_after = {}, .detail = {}};
  if (lost) {
    count("request lost");
  } else {
    Answer judged = judge(arrive.request);
    if (arrive.answered) {
      answer = std::move(judged);
    } else {
      count("answer lost");
    }
  }
  schedule(between(0ms, 5ms),
           Answered{.life = arrive.request.life, .topic = arrive.request.topic, .answer = std::move(answer)});
}

void OutboxWorld::on(const Answered& answered) {
  if (answered.life != life_) {
    return;
  }
  const std::string& topic = answered.topic;
  --under_way_[topic];
  if (answered.answer.kind == Answer::Kind::unavailable || answered.answer.kind == Answer::Kind::no_topic) {
    not_before_[topic] = now_ + std::max(policy_.retry.first / 4, answered.answer.retry_after.value_or(0ns));
  }
  feed(answered.answer);
}

void OutboxWorld::store(Row& row) {
  if (writers_[row.writer].state != Writer::State::committed) {
    violate(fmt::format("X1: row {} is published and was never committed", row.row.position));
  }
  row.stored = ++stored_;
  check_order_of(row);
}

void OutboxWorld::check_order_of(const Row& row) {
  for (const std::uint64_t position : row.seen) {
    if (!rows_.at(position).stored) {
      violate(fmt::format("X4: row {} overtakes {}, which its writer had seen committed", row.row.position,
                          position));
    }
  }
}

void OutboxWorld::on(const WeatherChanges& /*changes*/) {
  if (healed_) {
    return;
  }
  away_ = likely(0.15);
  unknown_topics_.clear();
  if (likely(0.15)) {
    unknown_topics_.insert(fmt::format("t{}", random_.below(kTopics)));
  }
  for (auto& [position, row] : rows_) {
    if (row.bad && !row.forever && likely(0.2)) {
      row.bad = false;  // its schema was mended
    }
  }
  if (likely(p_crash_ * 20)) {
    count("crash");
    begin_life();
  }
  schedule(between(10ms, 400ms), WeatherChanges{});
}

// Nothing is left but what is refused for ever and what that holds.
bool OutboxWorld::all_done() const {
  std::set<std::string> held;
  for (const auto& [position, row] : rows_) {
    if (!visible(row)) {
      continue;
    }
    const std::string name = row.row.key ? row.row.topic + "/" + *row.row.key : fmt::format("#{}", position);
    if (row.forever) {
      held.insert(name);
    } else if (!held.contains(name)) {
      return false;
    }
  }
  return true;
}

void OutboxWorld::check_end() {
  std::set<std::string> held;
  for (const auto& [position, row] : rows_) {
    if (writers_[row.writer].state != Writer::State::committed) {
      continue;
    }
    const std::string name = row.row.key ? row.row.topic + "/" + *row.row.key : fmt::format("#{}", position);
    if (row.forever) {
      held.insert(name);
      if (row.deleted) {
        violate(fmt::format("X3: row {} was refused, and is gone", position));
      }
    } else if (!row.stored && !held.contains(name)) {
      violate(fmt::format("X2: row {} was committed and is not published", position));
    }
    for (const auto& [earlier, other] : rows_) {
      if (earlier >= position) {
        break;
      }
      const bool same = row.row.key && other.row.key == row.row.key && other.row.topic == row.row.topic;
      const bool both = row.stored && writers_[other.writer].state == Writer::State::committed;
      if (same && both && other.row.xid <= row.row.xid && other.stored.value_or(UINT64_MAX) > *row.stored) {
        violate(fmt::format("X5: row {} overtakes {}", position, earlier));
      }
    }
  }
}

}  // namespace flotilla::events::simulation
