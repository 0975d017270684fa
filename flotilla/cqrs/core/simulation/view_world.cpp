#include "flotilla/cqrs/core/simulation/view_world.hpp"

#include <fmt/format.h>

namespace flotilla::cqrs::simulation {
namespace {

constexpr std::size_t kMostSteps = 200'000;  // while it settles

// What files may say: whole views and rows, that count, list, remove, keep the last, and fail.
std::vector<ViewTexts> all_files() {
  return {
      {{"a", "b"}, ".user", "", "(. // 0) + $data.n"},
      {{"a"}, ".user", ".order", "(. // {}) + $data"},
      {{"b", "a"}, ".user", ".order", "if $event.type == \"b\" then null else (. // []) + [$data.n] end"},
      {{"a", "b"}, ".user", "", "((. // []) + [$data.order])[-3:]"},
      {{"a", "b"}, ".user", "", "if $data.bad then error(\"bad\") else (. // 0) + 1 end"},
      {{"b"}, "if .bad then [] else .user end", ".order", "$data"},
  };
}
constexpr std::size_t kGoodFiles = 4;  // the first ones take every event

}  // namespace

World::World(const WorldConfig& config, Coverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed), files_(all_files()) {
  const auto some = [this](std::uint32_t most) {
    return static_cast<std::uint32_t>(random_.below(most + 1));
  };
  odds_ = {.publish = 50 + some(300),
           .crash = some(30),
           .fail = some(60),
           .other_file = some(400),
           .person = some(20),
           .broken = some(1) * some(40),
           .again = some(300),
           .late = some(60),
           .cut = some(400),
           .lose_checkpoint = some(1) * some(100)};
  file_ = random_.below(files_.size());
  journal_.resize(1 + random_.below(3));
  coverage_.passages[static_cast<std::size_t>(Passage::several_shards)] += journal_.size() > 1 ? 1 : 0;
}

void World::violated(const std::string& what) {
  if (outcome_.violation.empty()) {
    outcome_.violation = fmt::format("after {} events: {}", happened_, what);
    note("VIOLATED " + what);
  }
}

void World::note(const std::string& what) {
  if (config_.trace) {
    outcome_.timeline += fmt::format("{}: {}\n", happened_, what);
  }
}

Outcome World::run() {
  restart(false);
  while (happened_ < config_.events && outcome_.violation.empty()) {
    happen();
  }
  if (outcome_.violation.empty()) {
    settle();
  }
  if (outcome_.violation.empty()) {
    check_end();
  }
  coverage_.events += happened_;
  coverage_.published += published_;
  return std::move(outcome_);
}

void World::happen() {
  ++happened_;
  if (chance(odds_.crash)) {
    crash();
  } else if (chance(odds_.person)) {
    person_asks();
  } else if (chance(odds_.publish)) {
    publish();
  } else {
    answer_one();
  }
}

void World::publish() {
  static constexpr std::array<std::string_view, 3> kTopics{"a", "b", "c"};
  const std::string topic(kTopics[random_.below(kTopics.size())]);
  const std::uint64_t n = ++published_;
  const std::size_t who = random_.below(4);
  const std::string user = random_.below(8) == 0 ? "null" : fmt::format("\"u{}\"", who);
  std::vector<Fact>& shard = journal_[who % journal_.size()];
  std::string data = fmt::format(R"({{"user":{},"order":{},"n":{}{}}})", user, random_.below(6), n,
                                 chance(odds_.broken) ? R"(,"bad":true)" : "");
  shard.push_back(
      {.topic = topic,
       .event = std::make_shared<const journal::Event>(journal::Event{
           .attributes = {{"id", std::to_string(n)}, {"type", topic}}, .data = std::move(data)})});
  note(fmt::format("published {} of {} at {}-{}", topic, user, who % journal_.size(), shard.size()));
}

// One of what is under way comes to its end, in any order.
void World::answer_one() {
  if (chance(odds_.late) && !old_pages_.empty() && engine_) {
    coverage_.count(Passage::late_page);
    feed(old_pages_[random_.below(old_pages_.size())]);
    return;
  }
  const std::size_t all = writes_.size() + under_way_.size();
  if (all == 0) {
    return;
  }
  std::size_t which = random_.below(all);
  if (which < writes_.size()) {
    Write& write = *writes_[which];
    if (!write.written) {
      write.written = true;
      const bool fails = chance(odds_.fail);
      write.answered_well = !fails;
      const bool kept = !fails || random_.below(2) == 0;
      if (fails) {
        coverage_.count(kept ? Passage::failed_written : Passage::failed_unwritten);
      }
      if (kept) {
        std::visit([this](const auto& what) { commit(what); }, write.what);
      }
      return;
    }
    const std::unique_ptr<Write> done = std::move(writes_[which]);
    writes_.erase(writes_.begin() + static_cast<std::ptrdiff_t>(which));
    if (!reloading_) {
      tell(*done);
    } else if (writes_.empty()) {
      restart(false);
    }
    return;
  }
  which -= writes_.size();
  const Under under = under_way_[which];
  if (const auto* const fetch = std::get_if<effect::Fetch>(&under)) {
    if (waits(*fetch)) {
      return;
    }
  }
  under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(which));
  std::visit([this](const auto& what) { answer(what); }, under);
}

void World::crash() {
  ++coverage_.crashes;
  for (const std::unique_ptr<Write>& write : writes_) {
    if (write->written) {
      coverage_.count(Passage::crashed_after);
    } else if (random_.below(2) == 0) {
      coverage_.count(Passage::crashed_after);
      std::visit([this](const auto& what) { commit(what); }, write->what);
    } else {
      coverage_.count(Passage::crashed_before);
    }
  }
  writes_.clear();
  if (chance(odds_.lose_checkpoint) && !store_.checkpoints.empty()) {
    coverage_.count(Passage::checkpoint_lost);
    store_.checkpoints.erase(store_.checkpoints.begin());
  }
  if (store_.record && !store_.record->doomed.empty()) {
    coverage_.count(Passage::forgot_on);
  }
  note("crash");
  restart(chance(odds_.other_file));
}

// Another engine, of what is durable; nothing of the one before is under way any more.
void World::restart(bool other_file) {
  if (other_file) {
    const std::size_t before = file_;
    file_ = random_.below(files_.size());
    const bool building = store_.record && store_.record->building.has_value();
    const auto wanted = compile_view("v", files_[file_]);
    const bool read = store_.record && store_.record->live && store_.record->live->hash == (*wanted)->hash;
    if (building && file_ != before && store_.record->building->hash != (*wanted)->hash) {
      coverage_.count(Passage::abandoned);
      coverage_.passages[static_cast<std::size_t>(Passage::taken_back)] += read ? 1 : 0;
    }
  }
  reloading_ = false;
  under_way_.clear();
  old_pages_.clear();
  told_end_.clear();
  read_to_.clear();
  served_.reset();
  auto wanted = compile_view("v", files_[file_]);
  engine_ = std::make_unique<ViewEngine>(
      std::move(*wanted), ProjectionLimits{.events = 5, .batch = 60, .memory = 2000}, coverage_.counters,
      static_cast<std::uint32_t>(journal_.size()), config_.planted);
  note(fmt::format("an engine for file {}", file_));
  input::Load load{.record = store_.record, .checkpoints = {}};
  if (store_.record) {
    for (const std::optional<ViewVersion>* each : {&store_.record->live, &store_.record->building}) {
      if (*each && store_.checkpoints.contains((*each)->generation)) {
        load.checkpoints.emplace((*each)->generation, store_.checkpoints.at((*each)->generation));
      }
    }
  }
  feed(std::move(load));
}

void World::feed(ViewInput in) {
  ViewEffects effects = engine_->step(std::move(in));
  for (ViewEffect& effect : effects) {
    std::visit([this](auto& each) { carry_out(each); }, effect);
  }
}

void World::person_asks() {
  if (engine_ && !reloading_) {
    note("somebody asks for a rebuild");
    feed(input::Rebuild{next_waiter_++});
  }
}

void World::settle() {
  healing_ = true;
  for (const std::unique_ptr<Write>& write : writes_) {
    if (!write->written) {
      std::visit([this](const auto& what) { commit(what); }, write->what);
    }
  }
  writes_.clear();
  file_ = random_.below(kGoodFiles);
  restart(false);
  for (std::size_t i = 0; i < kMostSteps && outcome_.violation.empty(); ++i) {
    ++happened_;
    const bool rests = writes_.empty() && std::ranges::all_of(under_way_, [this](const Under& under) {
                         const auto* const fetch = std::get_if<effect::Fetch>(&under);
                         return fetch != nullptr && waits(*fetch);
                       });
    if (rests) {
      return;
    }
    answer_one();
  }
  violated("it does not come to rest");
}

void World::check_end() {
  const auto wanted = compile_view("v", files_[file_]);
  const std::optional<ViewRecord>& record = store_.record;
  if (!record || !record->live || record->live->hash != (*wanted)->hash || record->building ||
      !record->doomed.empty()) {
    violated("in the end the record is not that of the file alone");
    return;
  }
  const Generation live = record->live->generation;
  if (!served_ || served_->generation != live || served_->position != end()) {
    violated("in the end reads are not told of all there is");
    return;
  }
  if (store_.checkpoints.size() != 1 || !store_.checkpoints.contains(live)) {
    violated("checkpoints of versions that are gone stay");
    return;
  }
  for (const auto& [generation, rows] : store_.tables) {
    if (generation != live && !rows.empty()) {
      violated(fmt::format("rows of version {}, which is gone, stay", generation));
      return;
    }
  }
  Oracle fresh{.view = *wanted, .position = journal::ReadToken(end().shards())};
  advance(fresh, end());
  if (fresh.rows != store_.tables[live]) {
    violated("P1: in the end the view is not the fold of all events");
  }
}

}  // namespace flotilla::cqrs::simulation
