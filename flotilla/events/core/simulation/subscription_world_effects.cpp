// What the engines ask for, the network, and the subscriber.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/events/core/simulation/subscription_world.hpp"

namespace flotilla::events::simulation {
namespace {

using Kind = DeliveryAnswer::Kind;

constexpr std::uint16_t kAgainStatuses[] = {301, 302, 307, 401, 403, 404, 404, 408, 425,
                                            429, 429, 500, 502, 503, 503, 504, 600, 100};
constexpr std::uint16_t kRefusals[] = {400, 405, 409, 413, 415, 422, 402, 418};
constexpr std::uint16_t kSuccesses[] = {200, 200, 201, 204, 206};

template <std::size_t N>
std::uint16_t one_of(const std::uint16_t (&values)[N], Random& random) {
  return values[random.below(N)];
}

}  // namespace

void World::carry_out(Epoch epoch, effect::Fetch& fetch) {
  Owner& at = *owner(epoch);
  if (fetch.events == 0 || fetch.events > policy_.ahead) {
    violated(fmt::format("bound: {} events are asked for, of {}", fetch.events, policy_.ahead));
  }
  at.fetch = fetch.fetch;
  at.fetch_after = fetch.after;
  at.fetch_events = fetch.events;
  schedule(some(std::chrono::milliseconds(5)), FetchDue{.epoch = epoch, .fetch = fetch.fetch});
}

void World::carry_out(Epoch epoch, effect::Wake& wake) {
  Owner& at = *owner(epoch);
  at.wake = wake.at;
  if (wake.at != kNever) {
    schedule(std::max(wake.at - clock_, Duration(0)), TimerDue{.epoch = epoch});
  }
}

void World::carry_out(Epoch /*epoch*/, effect::Alert& alert) {
  if (alert.kind == effect::Alert::Kind::gone) {
    coverage_.count(Passage::paused_gone);
  } else if (alert.kind == effect::Alert::Kind::key_held) {
    coverage_.count(Passage::key_held);
  }
}

void World::carry_out(Epoch /*epoch*/, effect::Reply& reply) {
  if (reply.waiter == replay_waiter_) {
    replay_from_.reset();
  }
}

void World::carry_out(Epoch epoch, effect::Reload& /*reload*/) {
  Owner& at = *owner(epoch);
  note("reload");
  at.loaded = false;
  at.wake = kNever;
  at.fetch = 0;
  at.redrives.reset();
  at.committing.reset();
  replay_from_.reset();
  schedule(std::chrono::seconds(1), LoadDue{.epoch = epoch});
}

void World::carry_out(Epoch epoch, effect::Stop& /*stop*/) {
  coverage_.count(Passage::stopped);
  if (epoch == epoch_) {
    violated("the owner of the moment stopped");
    return;
  }
  // Later, because it is at work.
  owner(epoch)->loaded = false;
  owner(epoch)->wake = kNever;
  owner(epoch)->fetch = 0;
  owner(epoch)->redrives.reset();
}

// The nearest event before it that it has to wait for.
const World::Fact* World::before_of_key(At at) const {
  const Fact& fact = facts_.at(at);
  if (policy_.order_by == OrderBy::none || fact.event.key.empty()) {
    return nullptr;
  }
  for (auto each = std::make_reverse_iterator(facts_.find(at)); each != facts_.rend(); ++each) {
    if (each->second.event.key == fact.event.key &&
        each->second.event.admission == ArrivedEvent::Admission::deliver && !each->second.settled) {
      return &each->second;
    }
  }
  return nullptr;
}

std::size_t World::under_way() const {
  const auto out = [this](const Fact& fact) {
    return fact.out || (fact.unacked && fact.not_before > clock_);
  };
  return static_cast<std::size_t>(
      std::ranges::count_if(facts_, [&](const auto& each) { return out(each.second); }) +
      std::ranges::count_if(letters_, [&](const auto& each) { return out(each.second.fact); }));
}

void World::check_send(const Owner& owner, const effect::Send& send) {
  const auto found = facts_.find(send.position);
  if (found == facts_.end()) {
    violated(fmt::format("E7: event {} was never published", send.position));
    return;
  }
  const Fact& fact = found->second;
  if (encode(*send.event) != fact.bytes) {
    violated(fmt::format("E7: event {} is not what was published", send.position));
  }
  if (fact.settled) {
    violated(fmt::format("E4: event {} is settled, and sent again", send.position));
  }
  if (const Fact* const before = before_of_key(send.position)) {
    violated(fmt::format("E5: event {} of key {} is sent while {} is not settled", send.position,
                         fact.event.key, before->event.position));
  }
  check_letters_of_key(send, fact.event.key);
  if (fact.out || (fact.unacked && clock_ < fact.not_before)) {
    violated(fmt::format("E5: event {} is sent beside itself", send.position));
  }
  if (clock_ < fact.not_before) {
    violated(fmt::format("2.3: event {} is sent before its subscriber wants it", send.position));
  }
  if (fact.said_no) {
    violated(fmt::format("2.3: event {} was refused, and is sent again", send.position));
  }
  if (fact.event.admission != ArrivedEvent::Admission::deliver) {
    violated(fmt::format("event {} is sent, which the filter does not want", send.position));
  }
  if (fact.event.expires != 0 && fact.event.expires <= wall_ms()) {
    violated(fmt::format("event {} has expired, and is sent", send.position));
  }
  if (owner.told_to_pause || saved_.pause.reason != PauseReason::none) {
    violated(fmt::format("paused, and event {} is sent", send.position));
  }
  if (saved_.held_keys.contains(fact.event.key) && policy_.after_dead_letter != AfterDeadLetter::skip) {
    violated(fmt::format("key {} is held, and event {} is sent", fact.event.key, send.position));
  }
  if (fact.spent >= policy_.retry.attempts) {
    violated(fmt::format("event {} is sent more often than {} times", send.position, policy_.retry.attempts));
  }
  if (under_way() >= policy_.concurrency) {
    violated(fmt::format("{} are under way, and event {} is sent", policy_.concurrency, send.position));
  }
}

void World::carry_out(Epoch epoch, effect::Send& send) {
  Owner& at = *owner(epoch);
  const std::uint64_t id = next_attempt_++;
  Attempt& attempt = attempts_[id];
  attempt = {
      .epoch = epoch, .life = at.life, .token = send.token, .at = send.position, .letter = send.letter};
  if (epoch != epoch_) {
    // Its lease does not outlast the timeout: nothing is sent.
    schedule(some(std::chrono::milliseconds(2)),
             Deliver{.attempt = id,
                     .said = {.answer = {.head = {.kind = Kind::held_back}}, .meaning = Meaning::held}});
    return;
  }
  if (send.letter == 0) {
    check_send(at, send);
  } else {
    check_redrive(at, send);
  }
  if (!outcome_.violation.empty()) {
    return;
  }
  note(fmt::format("send {} attempt {}{}{}", send.position, send.attempt, send.replay ? " replay" : "",
                   send.letter == 0 ? "" : fmt::format(" of letter {}", send.letter)));
  Fact& fact = fact_of(attempt);
  ++fact.spent;
  fact.out = true;
  fact.unacked = false;
  fact.latest = id;
  if (chance(odds_.held_back)) {
    Said said{.answer = {.head = {.kind = Kind::held_back}}, .meaning = Meaning::held};
    if (random_.below(2) == 0) {
      said.answer.head.retry_after = some(std::chrono::seconds(3));
    }
    schedule(some(std::chrono::milliseconds(1)), Deliver{.attempt = id, .said = said});
    schedule(some(std::chrono::seconds(2)), ReadyDue{.epoch = epoch});
    return;
  }
  if (chance(odds_.not_sent)) {
    schedule(some(std::chrono::milliseconds(1)),
             Deliver{.attempt = id, .said = {.answer = {.head = {.kind = Kind::not_sent}}}});
    return;
  }
  const Said lost{.answer = {.head = {.kind = Kind::lost}}};
  if (chance(odds_.lose_request)) {
    schedule(policy_.timeout, Deliver{.attempt = id, .said = lost});
    return;
  }
  const Duration late =
      chance(odds_.late) ? some(policy_.timeout + policy_.timeout) : some(std::chrono::milliseconds(20));
  schedule(late, Arrive{.attempt = id});
  if (chance(odds_.doubled)) {
    schedule(late + some(std::chrono::seconds(20)), Arrive{.attempt = id});
  }
  schedule(policy_.timeout, Deliver{.attempt = id, .said = lost});  // unless it is answered before
}

void World::on(const Arrive& arrive) {
  Attempt& attempt = attempts_.at(arrive.attempt);
  Fact& fact = fact_of(attempt);
  if (attempt.epoch != epoch_) {
    coverage_.count(Passage::late_request);
  }
  // E3: what the subscriber sees first of each event of a key is in the topic's order.
  if (policy_.order_by == OrderBy::key && !fact.event.key.empty() && !fact.seen && attempt.letter == 0) {
    for (const auto& [at, before] : facts_) {
      if (at >= attempt.at) {
        break;
      }
      if (before.event.key == fact.event.key && before.event.admission == ArrivedEvent::Admission::deliver &&
          !before.seen && !before.settled && !before.had_its_turn) {
        violated(fmt::format("E3: event {} of key {} arrives before {}", attempt.at, fact.event.key, at));
      }
    }
  }
  fact.seen = true;
  if (std::exchange(attempt.arrived, true)) {
    coverage_.count(Passage::request_twice);
    return;  // a request that comes twice is answered once
  }
  if (chance(odds_.hang)) {
    return;
  }
  const Said said = say(fact);
  if (said.meaning == Meaning::taken && !chance(odds_.never_ack)) {
    const bool early = chance(odds_.early_ack);
    const std::uint64_t draw = random_.below(8);
    const EventOutcome outcome = draw == 0   ? EventOutcome::retry
                                 : draw == 1 ? EventOutcome::reject
                                             : EventOutcome::ok;
    for (std::uint64_t i = 1 + (random_.below(5) == 0 ? 1 : 0); i > 0; --i) {
      schedule(early ? Duration(0) : some(policy_.ack_timeout + std::chrono::seconds(1)),
               AckDue{.attempt = arrive.attempt, .outcome = outcome});
    }
  }
  if (!chance(odds_.lose_answer)) {
    schedule(std::chrono::microseconds(1) + some(std::chrono::milliseconds(20)),
             Deliver{.attempt = arrive.attempt, .said = said});
  }
}

// What the subscriber says, and what it means by that: written down here once more, by hand.
World::Said World::say(const Fact& fact) {
  Said said{
      .answer = {.head = {.kind = Kind::status}, .body = random_.below(2) == 0 ? R"({"ok":true})" : "fine"}};
  DeliveryAnswer& head = said.answer.head;
  const bool refuses = fact.mood == Mood::refused || chance(odds_.refuse);
  const bool again = fact.mood == Mood::failing || chance(odds_.again);
  const bool by_header = chance(odds_.says);
  if (refuses) {
    head.status = by_header ? one_of(kAgainStatuses, random_) : one_of(kRefusals, random_);
    head.outcome = by_header ? EventOutcome::reject : EventOutcome::none;
    said.meaning = Meaning::no;
  } else if (again) {
    head.status = by_header ? one_of(kSuccesses, random_) : one_of(kAgainStatuses, random_);
    head.outcome = by_header ? EventOutcome::retry : EventOutcome::none;
    if (!by_header && random_.below(10) == 0) {
      head.status = one_of(kRefusals, random_);  // of a gateway on the way
      head.from_platform = true;
    }
    if (random_.below(4) == 0) {
      head.retry_after =
          random_.below(20) == 0 ? Duration(std::chrono::hours(1)) : some(std::chrono::seconds(5));
    }
  } else if (chance(odds_.gone)) {
    head.status = 410;
    said.meaning = Meaning::gone;
  } else if (chance(odds_.accept)) {
    head.status = 202;
    said.meaning = Meaning::taken;
  } else {
    head.status = by_header ? one_of(kAgainStatuses, random_) : one_of(kSuccesses, random_);
    head.outcome = by_header ? EventOutcome::ok : EventOutcome::none;
    said.meaning = Meaning::yes;
  }
  return said;
}

void World::on(const Deliver& deliver) {
  Attempt& attempt = attempts_.at(deliver.attempt);
  Owner* const at = owner(attempt.epoch);
  if (at == nullptr || !at->loaded) {
    return;
  }
  Said said = deliver.said;
  said.answer.token = attempt.token;
  if (attempt.epoch == epoch_ && attempt.life == at->life && !attempt.closed) {
    Fact& fact = fact_of(attempt);
    attempt.closed = true;
    heard(*at, fact, said);
    note(fmt::format("answer {} {}{}", attempt.at, to_string(judge(said.answer.head).row),
                     said.answer.head.retry_after ? " retry-after" : ""));
  } else if (said.answer.head.kind == Kind::lost) {
    return;  // the deadline of what was answered
  }
  feed(*at, std::move(said.answer));  // also what nobody waits for any more
}

void World::heard(Owner& owner, Fact& fact, const Said& said) {
  fact.out = false;
  switch (said.meaning) {
    case Meaning::yes:
      fact.said_ok = true;
      break;
    case Meaning::no:
      fact.said_no = true;
      break;
    case Meaning::taken:
      fact.unacked = true;
      fact.not_before = clock_ + policy_.ack_timeout;
      break;
    case Meaning::again:
      coverage_.count(Passage::retried);
      if (said.answer.head.retry_after) {
        fact.not_before = clock_ + std::min(*said.answer.head.retry_after, Duration(std::chrono::minutes(5)));
      }
      break;
    case Meaning::gone:
      --fact.spent;
      owner.told_to_pause = true;
      break;
    case Meaning::held:
      --fact.spent;
      coverage_.count(Passage::held_back);
      break;
  }
}

void World::on(const AckDue& ack) {
  Attempt& attempt = attempts_.at(ack.attempt);
  Fact& fact = fact_of(attempt);
  Owner& at = current();
  if (!at.loaded) {
    return;
  }
  const bool open = attempt.epoch == epoch_ && attempt.life == at.life && fact.latest == ack.attempt;
  if (open && fact.out) {
    coverage_.count(Passage::acknowledged_early);
  } else if (!open || !fact.unacked || clock_ >= fact.not_before) {
    coverage_.count(Passage::acknowledgement_late);
    note(fmt::format("acknowledged late {}", attempt.at));
    feed(at, input::Ack{.waiter = next_waiter_++, .token = attempt.token, .outcome = ack.outcome});
    return;
  } else {
    coverage_.count(Passage::acknowledged_later);
  }
  note(fmt::format("acknowledged {} {}", attempt.at, static_cast<int>(ack.outcome)));
  attempt.closed = true;
  fact.out = false;
  fact.unacked = false;
  fact.not_before = Instant::min();
  fact.said_ok = fact.said_ok || ack.outcome == EventOutcome::ok;
  fact.said_no = fact.said_no || ack.outcome == EventOutcome::reject;
  feed(at,
       input::Ack{.waiter = next_waiter_++, .token = attempt.token, .outcome = ack.outcome, .body = "{}"});
}

}  // namespace flotilla::events::simulation
