#include "flotilla/events/core/simulation/choreography_world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::events::simulation {
namespace {

constexpr std::array<std::string_view, 4> kIds{"7", "8", "nine", "ten"};

std::vector<Choreography> choreographies() {
  using std::chrono::milliseconds;
  const auto made = [](std::vector<Expectation> expect, std::vector<std::string> ok,
                       std::vector<std::string> undone, std::string on_overdue) {
    Choreography c;
    c.name = "c";
    c.correlate = ".id";
    c.program = compile_correlate(c.correlate).value();
    c.start = "a";
    c.expect = std::move(expect);
    c.ok = std::move(ok);
    c.undone = std::move(undone);
    c.also = {"n"};
    c.on_overdue = std::move(on_overdue);
    c.retain = milliseconds(2000);
    c.dead_letters = {"a.dead"};
    return c;
  };
  return {
      made({{"a", false, {"b", "c"}, milliseconds(500)},
            {"b", true, {"d", "e"}, milliseconds(2000)},
            {"c", false, {"f"}, {}}},
           {"d"}, {"f"}, "over"),
      made({{"a", true, {"b", "c", "d"}, milliseconds(300)}, {"a", false, {"b", "e"}, milliseconds(700)}}, {},
           {}, "over"),
      made({{"a", false, {"b"}, milliseconds(100)}, {"b", false, {"c"}, milliseconds(100)}}, {"c", "b"}, {},
           ""),
      made({}, {"b"}, {"c"}, ""),
  };
}

journal::FoldInput input_of(const Fact& fact, const journal::Event& event, std::uint32_t shards) {
  journal::FoldInput in;
  in.data = json::parse(event.data).value();
  in.event = journal::event_value(event, in.data);
  in.topic = fact.topic;
  in.position = place_of(fact.position, shards);
  in.recorded_ms = fact.recorded_ms;
  return in;
}

}  // namespace

std::string_view to_string(Reached reached) noexcept {
  constexpr std::array<std::string_view, kReached> kNames{"fulfilled",     "fulfilled-partly",
                                                          "late",          "unexpected",
                                                          "ended-ok",      "ended-undone",
                                                          "reopened",      "two-waits",
                                                          "told",          "told-again",
                                                          "told-too-late", "told-after-crash",
                                                          "tell-failed",   "tell-unanswered",
                                                          "look-failed",   "crashed-uncommitted",
                                                          "folded-anew",   "expired",
                                                          "not-expired",   "dead-linked",
                                                          "dead-unlinked", "alias",
                                                          "deep",          "several-shards"};
  return kNames[static_cast<std::size_t>(reached)];
}

std::vector<std::string> ChoreographyCoverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kReached; ++i) {
    if (reached[i] == 0) {
      names.emplace_back(to_string(static_cast<Reached>(i)));
    }
  }
  return names;
}

ChoreographyWorld::ChoreographyWorld(const ChoreographyWorldConfig& config, ChoreographyCoverage& coverage)
    : coverage_(coverage), steps_(config.steps), planted_(config.planted), random_(config.seed) {
  const auto all = choreographies();
  const auto odds = [this](std::uint32_t most) { return static_cast<std::uint32_t>(random_.below(most)); };
  odds_ = {.crash = odds(40),
           .lose = odds(200),
           .fail = odds(300),
           .unanswered = odds(300),
           .anew = odds(8),
           .sweep = odds(80),
           .dead = odds(100)};
  shards_ = random_.below(2) == 0 ? 1 : 3;
  if (shards_ > 1) {
    coverage_.count(Reached::several_shards);
  }
  choreography_ = std::make_shared<const Choreography>(all[random_.below(all.size())]);
  FLOTILLA_ASSERT(check(*choreography_).empty());
  fold_ = std::make_unique<ChoreographyFold>(choreography_, counters_, planted_);
  watch_ = std::make_unique<DeadlineWatch>(planted_);
  next_ = watch_->start();
}

std::string ChoreographyWorld::run() {
  for (std::size_t i = 0; i < steps_ && violation_.empty(); ++i) {
    happen();
  }
  if (violation_.empty()) {
    heal();
  }
  return violation_;
}

void ChoreographyWorld::violated(std::string what) {
  if (violation_.empty()) {
    violation_ = fmt::format("at {} ms, position {} of {}: {}", now_ms_, position_, end(), what);
  }
}

journal::ReadToken ChoreographyWorld::token(std::uint64_t n) const {
  journal::ReadToken all(shards_);
  for (std::uint32_t back = 0; back < shards_ && back < n; ++back) {
    all.advance_to(place_of(n - back, shards_));
  }
  return all;
}

void ChoreographyWorld::happen() {
  now_ms_ += static_cast<std::int64_t>(random_.below(random_.below(20) == 0 ? 2500 : 60));
  if (chance(odds_.crash)) {
    crash();
  } else if (chance(odds_.anew)) {
    coverage_.count(Reached::folded_anew);
    rows_.clear();
    position_ = 0;
    since_.clear();
    states_.clear();
  } else if (chance(odds_.sweep)) {
    sweep();
  } else if (chance(odds_.dead)) {
    publish_dead_letter();
  } else if (const std::uint64_t turn = random_.below(10); turn < 4) {
    publish();
  } else if (turn < 7) {
    fold(1 + random_.below(5), !chance(odds_.lose));
  } else {
    watch();
  }
}

void ChoreographyWorld::crash() {
  watch_ = std::make_unique<DeadlineWatch>(planted_);
  next_ = watch_->start();
  crashed_ = true;
}

// The clock goes on until nothing can be due any more, then until all of it is forgotten.
void ChoreographyWorld::heal() {
  healing_ = true;
  for (int i = 0; i < 400 && violation_.empty(); ++i) {
    now_ms_ += 25;
    if (position_ < end()) {
      fold(1000, true);
    }
    for (int turn = 0; turn < 10; ++turn) {
      watch();
    }
  }
  for (const auto& [name, value] : rows_) {
    if (name.key == kDueKey && !choreography_->on_overdue.empty() && violation_.empty()) {
      violated(fmt::format("{} is due and nobody is told", name.row));
    }
  }
  fold(1000, true);
  now_ms_ += to_millis(choreography_->retain);
  sweep();
  if (violation_.empty() && !rows_.empty()) {
    violated(fmt::format("{} rows are left after all was forgotten, the first {} {}", rows_.size(),
                         rows_.begin()->first.key, rows_.begin()->first.row));
  }
}

void ChoreographyWorld::keep(Fact fact, journal::Event event) {
  fact.position = end() + 1;
  fact.recorded_ms = now_ms_;
  journal_.push_back({std::move(fact), std::move(event)});
  ++coverage_.events;
}

void ChoreographyWorld::publish() {
  constexpr std::string_view kTopics = "aaabbccdefn";
  Fact fact;
  fact.topic = kTopics[random_.below(kTopics.size())];
  const std::vector<std::string> known = topics_of(*choreography_);
  if (std::ranges::find(known, fact.topic) == known.end()) {
    return;
  }
  fact.id = fmt::format("e{}", ++ids_);
  fact.instance = kIds[random_.below(kIds.size())];
  std::vector<Fact> before = facts_of(fact.instance);
  std::erase_if(before, [this](const Fact& each) { return each.topic == choreography_->on_overdue; });
  const bool begins = before.empty() || random_.below(4) == 0;
  const Fact* const cause =
      begins ? nullptr : &before[before.size() - 1 - random_.below(std::min<std::size_t>(before.size(), 2))];
  fact.cause = cause == nullptr ? fact.id : cause->id;
  fact.correlation = cause == nullptr ? fmt::format("k{}", random_.below(10)) : cause->correlation;
  journal::Event event{.attributes = {{"id", fact.id},
                                      {"source", "/w"},
                                      {"type", fact.topic},
                                      {"correlationid", fact.correlation},
                                      {"causationid", fact.cause}},
                       .data = fmt::format("{{\"id\":\"{}\"}}", fact.instance)};
  keep(std::move(fact), std::move(event));
}

// Of an event that there is; now and then one that nothing is known of.
void ChoreographyWorld::publish_dead_letter() {
  if (journal_.empty()) {
    return;
  }
  const Stored& of = journal_[random_.below(journal_.size())];
  if (of.fact.topic == choreography_->on_overdue || !of.fact.group.empty()) {
    return;
  }
  Fact fact = of.fact;
  fact.topic = "a.dead";
  fact.group = "g";
  fact.dead_topic = of.fact.topic;
  fact.dead_at = random_.below(5) == 0 ? 1'000'000 : of.fact.position;
  journal::Event event = of.event;
  event.attributes.insert(event.attributes.end(),
                          {{"deadlettergroup", "g"},
                           {"deadlettertopic", fact.dead_topic},
                           {"deadletterposition", place_of(fact.dead_at, shards_).text()},
                           {"deadletterreason", "refused"},
                           {"deadlettercode", "402"},
                           {"deadletterattempts", "3"}});
  keep(std::move(fact), std::move(event));
}

void ChoreographyWorld::put(Rows& rows, const journal::RowName& name, const journal::Folded& folded) {
  const auto change = [&](const journal::RowName& which, const std::optional<std::string>& value) {
    if (value) {
      rows.insert_or_assign(which, *value);
    } else {
      rows.erase(which);
    }
  };
  change(name, folded.row.is_null() ? std::nullopt : std::optional(folded.text));
  for (const auto& [which, value] : folded.beside) {
    change(which, value);
  }
}

void ChoreographyWorld::fold(std::size_t most, bool commit) {
  Rows rows = rows_;
  std::uint64_t position = position_;
  for (; position < end() && position - position_ < most; ++position) {
    const Stored& stored = journal_[position];
    const journal::FoldInput in = input_of(stored.fact, stored.event, shards_);
    const auto name = fold_->place(in);
    if (!name) {
      continue;
    }
    const auto found = rows.find(*name);
    const auto folded =
        fold_->fold(found == rows.end() ? json::Value() : json::parse(found->second).value(), in);
    if (!folded) {
      violated("an event is not folded: " + folded.error());
      return;
    }
    put(rows, *name, *folded);
  }
  if (!commit) {
    coverage_.count(Reached::crashed_uncommitted);
    crash();
    return;
  }
  rows_ = std::move(rows);
  position_ = position;
  check_commit();
}

void ChoreographyWorld::sweep() {
  for (std::size_t state = 0; state < kInstanceStates; ++state) {
    const std::string key = state_key(static_cast<InstanceState>(state));
    std::vector<std::string> ids;
    for (const auto& [name, value] : rows_) {
      const auto at = name.key == key ? read_timed_name(name.row) : std::nullopt;
      if (at && at->ms + to_millis(choreography_->retain) <= now_ms_) {
        ids.push_back(at->id);
      }
    }
    for (const std::string& id : ids) {
      const journal::RowName name{.key = instance_key(id), .row = {}};
      const auto row = rows_.find(name);
      if (row == rows_.end()) {
        violated(fmt::format("{} is listed as {}, and is not there", id, key));
        return;
      }
      const auto left = fold_->expire(json::parse(row->second).value(), now_ms_);
      if (!left) {
        coverage_.count(Reached::not_expired);
        continue;
      }
      if (!choreography_->on_overdue.empty() &&
          read_instance(json::parse(row->second).value())->due_ms() != 0) {
        violated(fmt::format("{} is forgotten, and something of it is due that nobody was told", id));
      }
      coverage_.count(Reached::expired);
      put(rows_, name, *left);
      since_[id] = position_;
      states_.erase(id);
    }
  }
  check_commit();
}

void ChoreographyWorld::watch() {
  if (choreography_->on_overdue.empty()) {
    return;
  }
  if (std::holds_alternative<LookAtDue>(next_)) {
    if (chance(odds_.fail)) {
      coverage_.count(Reached::look_failed);
      next_ = watch_->failed(now_ms_);
      return;
    }
    std::vector<DueRow> due;
    for (const auto& [name, value] : rows_) {
      if (name.key == kDueKey && due.size() < kDuePage) {
        due.push_back(read_due_row(name.row, value).value());
      }
    }
    next_ = watch_->looked(std::move(due), token(position_), now_ms_);
  } else if (const auto* const tells = std::get_if<TellOverdue>(&next_)) {
    const TellOverdue what = *tells;
    tell(what);
  } else {
    const Rest& rest = std::get<Rest>(next_);
    const journal::ReadToken now = token(position_);
    const bool come = rest.position ? now.covers(*rest.position) : !rest.seen.covers(now);
    if (come || now_ms_ >= rest.until_ms) {
      next_ = watch_->rested();
    }
  }
}

void ChoreographyWorld::tell(const TellOverdue& tell) {
  if (chance(odds_.fail)) {
    coverage_.count(Reached::tell_failed);
    next_ = watch_->failed(now_ms_);
    return;
  }
  if (tell.due.due_ms > now_ms_) {
    violated(fmt::format("{} is told {} ms before it is due", tell.due.alert, tell.due.due_ms - now_ms_));
  }
  journal::Event event = alert_event(*choreography_, tell.due);
  std::size_t number = 0;
  for (std::size_t i = 0; i < choreography_->expect.size(); ++i) {
    const Expectation& each = choreography_->expect[i];
    number = tell.due.alert.contains("/" + expectation_mark(each)) ? i : number;
  }
  if (kept_.insert(tell.due.alert).second) {
    Fact fact;
    fact.topic = choreography_->on_overdue;
    fact.instance = tell.due.id;
    fact.id = fmt::format("alert/{}/{}", order_of(tell.due.position, shards_), number);
    if (!told_.insert(fmt::format("{} {}", tell.due.id, fact.id)).second) {
      violated(fmt::format("{} is kept twice of {}", fact.id, tell.due.id));
    }
    keep(std::move(fact), std::move(event));
    coverage_.count(crashed_ ? Reached::told_after_crash : Reached::told);
  } else {
    coverage_.count(Reached::told_again);
  }
  if (chance(odds_.unanswered)) {
    coverage_.count(Reached::tell_unanswered);
    next_ = watch_->failed(now_ms_);
    return;
  }
  next_ = watch_->told(place_of(end(), shards_), now_ms_);
}

}  // namespace flotilla::events::simulation
