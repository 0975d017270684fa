#include "flotilla/events/core/simulation/queue_world.hpp"

#include <algorithm>
#include <utility>

namespace flotilla::events::simulation {
namespace {

using Kind = DeliveryAnswer::Kind;

constexpr std::int64_t kWallBegin = 1'700'000'000'000;
constexpr std::size_t kHealSteps = 60'000;
constexpr std::size_t kKeys = 4;

}  // namespace

QueueWorld::QueueWorld(const QueueWorldConfig& config, QueueCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  draw();
}

void QueueWorld::draw() {
  policy_.name = "pending";
  policy_.items = 3 + random_.below(30);
  policy_.age = std::chrono::seconds(30 + random_.below(2000));
  policy_.timeout = std::chrono::seconds(2);
  policy_.concurrency = 1 + static_cast<std::uint32_t>(random_.below(4));
  policy_.retry.attempts = 1 + static_cast<std::uint32_t>(random_.below(5));
  policy_.retry.cap = std::chrono::seconds(20);
  policy_.deduplicates = random_.below(3) == 0;
  const auto odd = [this](std::uint64_t most) {
    return static_cast<std::uint32_t>(random_.below(2) == 0 ? 0 : random_.below(most));
  };
  odds_ = {.crash = odd(25),
           .fail_store = odd(60),
           .lie_store = odd(60),
           .lose_request = odd(200),
           .lose_answer = odd(200),
           .late = odd(200),
           .refuse = odd(200),
           .fail = odd(200),
           .throttle = odd(200),
           .away = odd(200),
           .held = odd(200),
           .person = odd(120),
           .close = odd(500),
           .probe = odd(500),
           .repeat = odd(300),
           .slow_disk = odd(300)};
  pace_ = 0.5 + random_.unit() * 10;
}

void QueueWorld::schedule(Duration in, Action action) {
  queue_.push(
      {.at = clock_ + in, .order = next_order_++, .action = std::make_shared<Action>(std::move(action))});
}

Duration QueueWorld::some(Duration most) {
  return Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

Now QueueWorld::clocks() const {
  const std::int64_t since = (clock_ - Instant(std::chrono::hours(1))).count();
  return {.mono = clock_, .wall = WallTime{kWallBegin * 1'000'000 + since}};
}

void QueueWorld::violated(const std::string& what) {
  if (outcome_.violation.empty()) {
    outcome_.violation = what;
    note("VIOLATED " + what);
  }
}

void QueueWorld::note(const std::string& what) {
  if (config_.trace) {
    outcome_.timeline += std::to_string(to_millis(clock_.time_since_epoch())) + " " + what + "\n";
  }
}

void QueueWorld::begin() {
  ++life_;
  engine_ = std::make_unique<QueueEngine>(policy_, config_.seed + life_, counters_, config_.planted);
  // Another engine knows nothing of the pace of the one before.
  next_begin_ = Instant::min();
  for (auto& [at, fact] : facts_) {
    fact.told = true;
  }
  forget_heard();
  schedule(some(std::chrono::milliseconds(50)), LoadDue{life_});
}

// What the owner of the moment knew, and has not made durable, is not known any more.
void QueueWorld::forget_heard() {
  under_way_ = 0;
  for (auto& [at, fact] : facts_) {
    fact.under_way = fact.held = false;
    fact.said_ok = fact.said_no = false;
    fact.wanted = Instant::min();
  }
}

QueueRunOutcome QueueWorld::run() {
  begin();
  schedule(some(std::chrono::milliseconds(200)), Offer{});
  schedule(some(std::chrono::seconds(1)), WeatherChanges{});
  schedule(some(std::chrono::seconds(5)), PersonActs{});
  while (happened_ < config_.events && outcome_.violation.empty() && happen()) {
    if (chance(odds_.crash)) {
      crash();
    }
  }
  heal();
  const std::size_t until = happened_ + kHealSteps;
  const auto unsettled = [this] {
    return !writings_.empty() ||
           std::ranges::any_of(facts_, [this](const auto& each) { return is_open(each.second); });
  };
  while (outcome_.violation.empty() && happened_ < until && (unsettled() || under_way_ > 0) && happen()) {
  }
  if (outcome_.violation.empty()) {
    check_end();
  }
  coverage_.events += happened_;
  return std::move(outcome_);
}

bool QueueWorld::happen() {
  if (queue_.empty()) {
    return false;
  }
  const Due due = queue_.top();
  queue_.pop();
  clock_ = std::max(clock_, due.at);
  ++happened_;
  std::visit([this](auto& action) { on(action); }, *due.action);
  return true;
}

void QueueWorld::feed(QueueInput input) {
  QueueEffects effects = engine_->step(std::move(input), clocks());
  for (QueueEffect& effect : effects) {
    std::visit([this](auto& each) { carry_out(each); }, effect);
  }
  std::size_t waiting = 0;
  for (const auto& [at, fact] : facts_) {
    waiting += is_open(fact) ? 1 : 0;
  }
  if (waiting > 0 && gate_ == QueueGate::closed) {
    coverage_.count(QueuePassage::gate_closed);
  }
}

void QueueWorld::on(const Offer& /*offer*/) {
  if (healing_) {
    return;
  }
  schedule(some(std::chrono::milliseconds(1500)), Offer{});
  QueueItem item{.id = Ulid::make(clocks().wall, random_), .stream = {}, .version = 1};
  if (!old_offers_.empty() && chance(odds_.repeat)) {
    const QueueItem& old = old_offers_[random_.below(old_offers_.size())];
    item.claim = old.claim;
    item.path = random_.below(5) == 0 ? "another" : old.path;
    item.key = old.key;
  } else {
    item.key = random_.below(3) == 0 ? "" : "key-" + std::to_string(random_.below(kKeys));
    item.claim = random_.below(2) == 0 ? "" : "claim-" + item.id.text();
    item.path = item.id.text();
    if (!item.claim.empty()) {
      old_offers_.push_back(item);
    }
  }
  item.resendable = !item.claim.empty() || random_.below(4) == 0;
  item.certainty = item.resendable && random_.below(3) == 0 ? Certainty::unknown : Certainty::never_sent;
  item.bytes = 100;
  item.accepted = wall_ms();
  item.expires = item.accepted + to_millis(policy_.age);
  moods_[item.id] = chance(odds_.refuse) ? Mood::refuses : chance(odds_.fail) ? Mood::fails : Mood::well;
  const std::uint64_t waiter = next_waiter_++;
  offered_[waiter] = {.id = item.id};
  note("offer " + item.id.text() + " key '" + item.key + "' " + std::string(to_string(item.certainty)) +
       (item.resendable ? " resendable" : ""));
  feed(queue_input::Offer{
      .waiter = waiter, .item = std::move(item), .request = std::make_shared<AcceptedRecord>()});
}

void QueueWorld::on(const LoadDue& due) {
  if (due.life != life_) {
    return;
  }
  if (!writings_.empty()) {  // what they write is to be read
    schedule(std::chrono::milliseconds(10), LoadDue{life_});
    return;
  }
  forget_heard();
  queue_input::Load load;
  for (auto& [at, fact] : facts_) {
    fact.told = true;
    if (is_open(fact)) {
      load.open.push_back(fact.row);
    }
    load.dead += fact.row.state == QueueState::dead ? 1 : 0;
  }
  note("load " + std::to_string(load.open.size()));
  feed(std::move(load));
  feed(queue_input::Weather{.gate = gate_, .pace = pace_});
}

void QueueWorld::on(const TimerDue& due) {
  if (due.life == life_) {
    feed(queue_input::Timer{});
  }
}

void QueueWorld::on(const WeatherChanges& /*changes*/) {
  schedule(some(std::chrono::seconds(healing_ ? 1 : 20)), WeatherChanges{});
  gate_ = chance(odds_.close) ? QueueGate::closed : chance(odds_.probe) ? QueueGate::probe : QueueGate::open;
  note("gate " + std::to_string(static_cast<int>(gate_)));
  feed(queue_input::Weather{.gate = gate_, .pace = pace_});
}

void QueueWorld::on(const PersonActs& /*acts*/) {
  if (healing_) {
    return;
  }
  schedule(some(std::chrono::seconds(3)), PersonActs{});
  if (facts_.empty() || !chance(odds_.person)) {
    return;
  }
  // The dead letters rather than what is done.
  auto chosen = std::next(facts_.begin(), static_cast<std::ptrdiff_t>(random_.below(facts_.size())));
  for (auto it = facts_.begin(); it != facts_.end(); ++it) {
    if (it->second.row.state == QueueState::dead && random_.below(2) == 0) {
      chosen = it;
    }
  }
  Fact& fact = chosen->second;
  const bool retries = random_.below(3) != 0;
  note("person " + std::string(retries ? "retries " : "removes ") + fact.row.id.text());
  fact.not_before = retries ? Instant::min() : fact.not_before;
  feed(queue_input::Operate{.waiter = next_waiter_++,
                            .verb = retries ? QueueVerb::retry : QueueVerb::remove,
                            .item = fact.row,
                            .who_why = "a test"});
}

// What the service says, and what it does meanwhile.
DeliveryAnswer QueueWorld::answer_of(Fact& fact) {
  DeliveryAnswer head{.kind = Kind::status, .status = 200};
  if (chance(odds_.throttle)) {
    head.status = 429;
    head.retry_after = std::chrono::seconds(1 + random_.below(60));
    return head;
  }
  if (fact.mood == Mood::refuses) {
    head.status = 422;
    return head;
  }
  if (fact.mood == Mood::fails) {
    head.status = 500;  // it may have acted, and here it has not
    return head;
  }
  const bool deduplicates = fact.row.resendable || policy_.deduplicates;
  if (fact.acts > 0 && deduplicates) {
    coverage_.count(QueuePassage::deduplicated);
    if (chance(100)) {
      head.status = 409;  // the first one is still at work
    }
    return head;
  }
  ++fact.acts;
  if (fact.acts > fact.allowed) {
    violated("Q2: the service acted " + std::to_string(fact.acts) + " times on " + fact.row.id.text());
  }
  return head;
}

void QueueWorld::on(const Arrive& arrive) {
  Attempt& attempt = attempts_.at(arrive.attempt);
  Fact& fact = facts_.at(attempt.at);
  if (attempt.closed || attempt.life != life_) {
    coverage_.count(QueuePassage::late_request);
  }
  note("arrives " + fact.row.id.text());
  const DeliveryAnswer head = answer_of(fact);
  if (arrive.answered) {
    schedule(some(std::chrono::milliseconds(300)), Deliver{arrive.attempt, head});
  }
}

void QueueWorld::on(const Deliver& deliver) {
  Attempt& attempt = attempts_.at(deliver.attempt);
  if (attempt.closed || attempt.life != life_) {
    return;
  }
  attempt.closed = true;
  Fact& fact = facts_.at(attempt.at);
  --under_way_;
  note("answer " + std::to_string(deliver.head.status) + " kind " +
       std::to_string(static_cast<int>(deliver.head.kind)) + " to " + fact.row.id.text());
  heard(fact, deliver.head);
  feed(queue_input::Answer{.token = attempt.token, .head = deliver.head, .content_type = {}, .body = {}});
}

void QueueWorld::heard(Fact& fact, const DeliveryAnswer& head) {
  switch (head.kind) {
    case Kind::held_back:
      coverage_.count(QueuePassage::held_back);
      fact.held = true;
      return;
    case Kind::not_sent:
      coverage_.count(QueuePassage::not_sent);
      fact.held = true;
      return;
    case Kind::lost:
      coverage_.count(QueuePassage::answer_lost);
      return;
    case Kind::status:
      break;
  }
  if (head.status == 200) {
    fact.said_ok = true;
  } else if (head.status == 422) {
    fact.said_no = true;
  } else if (head.status == 409) {
    coverage_.count(QueuePassage::key_in_use);
    fact.said_no = true;  // it is one, unless an attempt before may be at work
  } else if (head.retry_after) {
    fact.wanted = clock_ + *head.retry_after;
  }
}

void QueueWorld::crash() {
  ++coverage_.crashes;
  // What was on its way to the disk got there up to some point.
  std::size_t kept = random_.below(writings_.size() + 1);
  for (auto& [number, writing] : writings_) {
    if (writing.written) {
      coverage_.count(QueuePassage::crashed_after);
    } else if (kept > 0) {
      --kept;
      if (write(writing)) {
        coverage_.count(QueuePassage::crashed_after);
      }
    } else {
      coverage_.count(QueuePassage::crashed_before);
    }
  }
  note("crash");
  writings_.clear();
  offered_.clear();
  begin();
}

void QueueWorld::heal() {
  healing_ = true;
  note("heal");
  gate_ = QueueGate::open;
  feed(queue_input::Weather{.gate = gate_, .pace = pace_});
}

void QueueWorld::check_end() {
  for (const auto& [at, fact] : facts_) {
    if (is_open(fact)) {
      violated("Q1: " + fact.row.id.text() + " was accepted and is still " +
               std::string(to_string(fact.row.state)));
    }
  }
  if (engine_->view().open != 0) {
    violated("Q1: the engine has " + std::to_string(engine_->view().open) +
             " calls that the journal has not");
  }
}

}  // namespace flotilla::events::simulation
