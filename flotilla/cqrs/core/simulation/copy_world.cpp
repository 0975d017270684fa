#include "flotilla/cqrs/core/simulation/copy_world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace flotilla::cqrs::simulation {
namespace {

constexpr std::size_t kKeys = 12;
constexpr std::size_t kMostSettling = 100'000;
constexpr std::size_t kRest = 300;  // steps after which it is believed
constexpr CopyLimits kLimits{.keys = 8, .loads = 3, .batch_keys = 3, .batch_bytes = 40, .batches = 2};

std::string key_of(std::uint64_t n) { return fmt::format("k{}", n); }

}  // namespace

std::string_view to_string(CopyPassage passage) noexcept {
  constexpr std::array<std::string_view, kCopyPassages> names{
      "copied",          "removed",       "too-large",     "not-taken",     "expired",         "offered",
      "connection-lost", "late-command",  "trusted-again", "redis-emptied", "redis-went-back", "marker-lost",
      "clean-start",     "unclean-start", "refused",       "outdated",      "taken",           "flipped",
      "flipped-loading", "any-changed",   "overflowed",    "sweep-broken",  "completed"};
  return names[static_cast<std::size_t>(passage)];
}

std::vector<std::string> CopyCoverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kCopyPassages; ++i) {
    if (passages[i] == 0) {
      names.emplace_back(to_string(static_cast<CopyPassage>(i)));
    }
  }
  return names;
}

CopyWorld::CopyWorld(const CopyWorldConfig& config, CopyCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  const auto some = [this](std::uint32_t most) {
    return static_cast<std::uint32_t>(random_.below(2) * (1 + random_.below(most)));
  };
  odds_ = {.fold = 5 + some(100),
           .crash = some(8),
           .flip = some(4),
           .harm = some(16),
           .disconnect = some(16),
           .offer = some(30),
           .late = some(60),
           .sleeper = some(80),
           .any_changed = some(40),
           .not_taken = some(40),
           .other_journal = some(100)};
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    if (random_.below(2) == 0) {
      history_[key_of(i)].push_back({.position = position_, .exists = true});
    }
  }
}

void CopyWorld::note(const std::string& what) {
  if (config_.trace) {
    timeline_ += fmt::format("{}: {}\n", step_, what);
  }
}

void CopyWorld::violated(const std::string& what) {
  if (violation_.empty()) {
    violation_ = fmt::format("after {} steps: {}", step_, what);
    note("VIOLATED " + what);
  }
}

std::string CopyWorld::run() {
  begin(false);
  while (step_ < config_.steps && violation_.empty()) {
    happen();
    check_bounds();
  }
  if (violation_.empty()) {
    settle();
  }
  coverage_.steps += step_;
  return violation_;
}

void CopyWorld::begin(bool other_journal) {
  journals_ += other_journal ? 1 : 0;
  epoch_ = other_journal ? 1 : epoch_ + 1;
  process_ = std::make_unique<Process>();
  process_->epoch = epoch_;
  process_->journal = fmt::format("j{}", journals_);
  process_->engine = std::make_unique<CopyEngine>(std::chrono::hours(1), kLimits, coverage_.counters,
                                                  random_.next(), config_.planted);
  note(fmt::format("process {} of {} begins", epoch_, process_->journal));
  give(*process_, copying::Served{.generation = generation_, .position = position_, .keys = {}});
}

void CopyWorld::happen() {
  ++step_;
  std::uint64_t what = random_.below(1000);
  const auto is = [&what](std::uint64_t odds) {
    const bool here = what < odds;
    what -= here ? 0 : odds;
    return here;
  };
  if (is(odds_.fold)) {
    fold();
  } else if (is(odds_.crash)) {
    crash();
  } else if (is(odds_.flip)) {
    flip();
  } else if (is(odds_.harm)) {
    harm_redis();
  } else if (is(odds_.disconnect)) {
    if (process_->connection) {
      disconnect(*process_);
    }
  } else if (is(odds_.offer)) {
    give(*process_, copying::Offered{key_of(random_.below(kKeys))});
  } else if (is(odds_.late)) {
    const std::shared_ptr<Connection> of = broken_.empty() ? nullptr : broken_[random_.below(broken_.size())];
    if (of && !of->commands.empty()) {
      execute(*of);
      coverage_.count(CopyPassage::late_command);
    }
  } else if (is(odds_.sleeper)) {
    if (!sleepers_.empty()) {
      act(*sleepers_[random_.below(sleepers_.size())]);
    }
  } else {
    act(*process_);
  }
}

// Some keys change in one commit; the process is told of it later, unless it dies before.
void CopyWorld::fold() {
  ++position_;
  copying::Served served{.generation = generation_, .position = position_, .keys = {}};
  for (std::uint64_t n = random_.below(3); n > 0; --n) {
    const std::string key = key_of(random_.below(kKeys));
    std::vector<Change>& changes = history_[key];
    if (changes.empty() || changes.back().position < position_) {
      changes.push_back({.position = position_, .exists = random_.below(4) != 0});
      served.keys.push_back(key);
    }
  }
  note(fmt::format("folded up to {}", position_));
  process_->served.push_back(std::move(served));
}

// Another version has other rows.
void CopyWorld::flip() {
  coverage_.count(CopyPassage::flipped);
  ++generation_;
  history_.clear();
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    if (random_.below(2) == 0) {
      history_[key_of(i)].push_back({.position = position_, .exists = true});
    }
  }
  coverage_.passages[static_cast<std::size_t>(CopyPassage::flipped_loading)] +=
      process_->loads.size() + process_->loaded.size();
  note(fmt::format("version {} is read", generation_));
  process_->served.push_back({.generation = generation_, .position = position_, .keys = {}});
}

// One thing that is under way in a process comes to its end, in any order but that of its connection.
void CopyWorld::act(Process& process) {
  switch (random_.below(8)) {
    case 0:
      if (random_.below(4) == 0) {
        give(process, copying::Tick{});
      }
      return;
    case 7:
      if (!process.served.empty()) {
        copying::Served served = std::move(process.served.front());
        process.served.pop_front();
        served.all = served.keys.empty() && chance(odds_.any_changed);
        coverage_.passages[static_cast<std::size_t>(CopyPassage::any_changed)] += served.all ? 1 : 0;
        give(process, std::move(served));
      }
      return;
    case 1:
      if (process.wants_claim) {
        connect(process);
      }
      return;
    case 2:
      if (process.connection && !process.connection->commands.empty()) {
        execute(*process.connection);
      }
      return;
    case 3:
      if (process.connection && !process.connection->replies.empty()) {
        CopyInput reply = std::move(process.connection->replies.front());
        process.connection->replies.pop_front();
        give(process, std::move(reply));
      }
      return;
    case 4:
      if (!process.loads.empty()) {
        const std::size_t which = random_.below(process.loads.size());
        process.loaded.push_back(read(process.loads[which]));
        process.loads.erase(process.loads.begin() + static_cast<std::ptrdiff_t>(which));
      }
      return;
    case 5:
      if (!process.loaded.empty()) {
        const std::size_t which = random_.below(process.loaded.size());
        copying::Loaded loaded = std::move(process.loaded[which]);
        process.loaded.erase(process.loaded.begin() + static_cast<std::ptrdiff_t>(which));
        give(process, std::move(loaded));
      }
      return;
    default:
      if (!process.walks.empty()) {
        const copying::Walk walk = std::move(process.walks.front());
        process.walks.erase(process.walks.begin());
        copying::Walked walked{.sweep = walk.sweep, .keys = {}, .next = {}};
        for (const auto& [key, changes] : history_) {
          if (walk.generation != generation_ || walked.keys.size() == 2) {
            break;
          }
          if (changes.back().exists && (!walk.after || key > walk.after->key)) {
            walked.keys.push_back(key);
          }
        }
        if (walked.keys.size() == 2) {
          walked.next = journal::RowName{.key = walked.keys.back(), .row = {}};
        }
        give(process, std::move(walked));
      }
  }
}

void CopyWorld::give(Process& process, CopyInput in) {
  const bool sweeps = process.engine->is_sweeping();
  const bool completes = process.engine->is_complete();
  const std::uint64_t overflows = coverage_.counters.overflows.read();
  if (std::holds_alternative<copying::Lost>(in) && sweeps) {
    coverage_.count(CopyPassage::sweep_broken);
  }
  const bool claims = std::holds_alternative<copying::Claimed>(in);
  const bool offers = std::holds_alternative<copying::Offered>(in);
  const std::size_t pending = process.engine->pending();
  for (CopyEffect& effect : process.engine->step(std::move(in))) {
    if (const auto* const claim = std::get_if<copying::Claim>(&effect)) {
      process.wants_claim = true;
      process.claim = *claim;
      if (process.connection) {
        broken_.push_back(std::exchange(process.connection, nullptr));
      }
    } else if (const auto* const load = std::get_if<copying::Load>(&effect)) {
      process.loads.push_back(*load);
    } else if (const auto* const walk = std::get_if<copying::Walk>(&effect)) {
      process.walks.push_back(*walk);
    } else if (auto* const write = std::get_if<copying::Write>(&effect)) {
      process.connection->commands.emplace_back(std::move(*write));
    } else if (auto* const scan = std::get_if<copying::Scan>(&effect)) {
      process.connection->commands.emplace_back(std::move(*scan));
    } else {
      note(fmt::format("process {} of {} writes no more", process.epoch, process.journal));
    }
  }
  if (claims && !sweeps && !process.engine->is_sweeping() && !process.claim.last.empty()) {
    coverage_.count(CopyPassage::trusted_again);
  }
  if (offers && process.engine->pending() > pending) {
    coverage_.count(CopyPassage::offered);
  }
  if (claims && process.claim.last.empty()) {
    coverage_.count(process.engine->is_sweeping() ? CopyPassage::unclean_start : CopyPassage::clean_start);
  }
  coverage_.passages[static_cast<std::size_t>(CopyPassage::overflowed)] +=
      coverage_.counters.overflows.read() - overflows;
  if (!completes && process.engine->is_complete()) {
    coverage_.count(CopyPassage::completed);
  }
}

void CopyWorld::connect(Process& process) {
  process.wants_claim = false;
  process.connection = std::make_shared<Connection>(
      Connection{.epoch = process.epoch, .journal = process.journal, .commands = {}, .replies = {}});
  process.connection->commands.emplace_back(ClaimCommand{
      .batch = process.claim.batch, .last = process.claim.last, .claim = fmt::format("c{}", ++claims_)});
}

// The engine hears of it if it had claimed; what is under way may still be executed.
void CopyWorld::disconnect(Process& process) {
  coverage_.count(CopyPassage::connection_lost);
  note("connection lost");
  broken_.push_back(std::exchange(process.connection, nullptr));
  if (process.engine->is_connected()) {
    give(process, copying::Lost{});
  } else if (!process.engine->is_superseded()) {
    process.wants_claim = true;
  }
}

copying::Loaded CopyWorld::read(const copying::Load& load) {
  copying::Loaded out{.load = load.load, .generation = generation_, .key = load.key, .body = nullptr};
  const Change* const last = last_change(load.key, position_);
  if (last != nullptr && last->exists) {
    out.body = std::make_shared<const Answer>(
        Answer{.json = fmt::format("{} {}", generation_, last->position), .etag = {}});
    out.too_large = last->position % 13 == 0;
    coverage_.passages[static_cast<std::size_t>(CopyPassage::too_large)] += out.too_large ? 1 : 0;
  }
  return out;
}

const CopyWorld::Change* CopyWorld::last_change(const std::string& key, std::uint64_t position) const {
  const auto found = history_.find(key);
  if (found == history_.end()) {
    return nullptr;
  }
  const Change* last = nullptr;
  for (const Change& change : found->second) {
    last = change.position <= position ? &change : last;
  }
  return last;
}

// The process dies, or sleeps while another one begins and wakes later.
void CopyWorld::crash() {
  if (process_->connection && !process_->engine->is_superseded() && random_.below(3) == 0) {
    process_->served.clear();
    sleepers_.push_back(std::move(process_));
    if (sleepers_.size() > 2) {
      sleepers_.erase(sleepers_.begin());
    }
  } else if (process_->connection) {
    broken_.push_back(process_->connection);
  }
  begin(chance(odds_.other_journal));
}

void CopyWorld::check_bounds() {
  if (process_->engine->pending() > kLimits.keys || process_->loads.size() > 100) {
    violated("more keys wait than may");
  }
}

void CopyWorld::settle() {
  healing_ = true;
  broken_.clear();
  if (process_->engine->is_superseded() || random_.below(4) == 0) {
    begin(false);
  }
  // Who is right among two journals nobody can tell; the last one to claim goes on.
  std::erase_if(sleepers_, [this](const auto& each) { return each->journal != process_->journal; });
  std::size_t rests = 0;
  for (std::size_t i = 0; i < kMostSettling && violation_.empty(); ++i) {
    ++step_;
    act(sleepers_.empty() || random_.below(4) != 0 ? *process_ : *sleepers_[random_.below(sleepers_.size())]);
    const CopyEngine& engine = *process_->engine;
    const bool quiet =
        process_->served.empty() && engine.is_connected() && engine.pending() == 0 && !engine.is_sweeping();
    rests = quiet ? rests + 1 : 0;
    if (rests >= kRest && engine.is_complete()) {
      check_complete(generation_, position_);
      return;
    }
  }
  violated("it does not come to rest");
}

}  // namespace flotilla::cqrs::simulation
