// The simulated journal and its owners: commits, what justifies them, crashes, taking over.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/events/core/simulation/subscription_world.hpp"

namespace flotilla::events::simulation {

void World::carry_out(Epoch epoch, effect::Append& append) {
  Owner& at = *owner(epoch);
  if (at.committing) {
    violated("two appends are under way");
    return;
  }
  at.committing = std::move(append);
  at.written = false;
  const Duration takes =
      chance(odds_.slow_disk) ? some(std::chrono::milliseconds(200)) : some(std::chrono::milliseconds(2));
  schedule(takes, CommitDue{.epoch = epoch, .life = at.life});
}

void World::on(const CommitDue& due) {
  Owner* const at = owner(due.epoch);
  if (at == nullptr || at->life != due.life || !at->committing || at->written) {
    return;
  }
  const bool stale = due.epoch != epoch_;
  const bool trouble = !stale && chance(odds_.fail_store);
  const bool written = !stale && (!trouble || random_.below(2) == 0);
  at->written = true;
  if (written) {
    write(*at->committing);
  }
  if (trouble) {
    coverage_.count(written ? Passage::append_failed_written : Passage::append_failed_unwritten);
  }
  schedule(some(std::chrono::milliseconds(1)),
           CommitKnown{.epoch = due.epoch, .life = due.life, .good = !stale && !trouble, .stale = stale});
}

void World::on(const CommitKnown& known) {
  Owner* const at = owner(known.epoch);
  if (at == nullptr || at->life != known.life || !at->committing) {
    return;
  }
  at->committing.reset();
  if (known.good) {
    feed(*at, input::Appended{});
    return;
  }
  feed(*at, input::AppendFailed{.stale_epoch = known.stale});
  if (known.stale) {
    std::erase_if(owners_, [&](const Owner& each) { return each.epoch == known.epoch; });
  }
}

// What each event that is settled publishes.
World::Published World::sort(const effect::Append& append) {
  Published published;
  for (const CausedEvent& each : append.caused) {
    const bool dead = each.kind == CausedEvent::Kind::dead_letter;
    const std::string_view id = each.event.attribute(dead ? "deadletterposition" : "id");
    const auto position = journal::Position::parse(id.substr(0, id.find('/')));
    const auto fact = position ? facts_.find(position->number()) : facts_.end();
    if (fact == facts_.end()) {
      violated(fmt::format("a publication '{}' of no event", id));
      return {};
    }
    if (dead && each.event.data != fact->second.event.event->data) {
      violated(fmt::format("E7: the dead letter of {} is not what was published", fact->first));
    }
    published.emplace(fact->first, &each);
  }
  return published;
}

// Durable from here on.
void World::write(const effect::Append& append) {
  const SubscriptionProgress& next = append.progress;
  const auto decoded = decode_progress(next.mark, encode_state(next));
  if (!decoded) {
    violated(decoded.error().message);
    return;
  }
  const auto covers = [&](At at) { return at <= next.mark || next.settled.contains(at) || next.skips(at); };
  const bool forgets = std::ranges::any_of(
      facts_, [&](const auto& each) { return each.second.settled && !covers(each.first); });
  if (forgets) {
    if (!replay_from_ || next.mark != *replay_from_ || !append.caused.empty()) {
      violated("E4: what was settled is unsettled, and nobody asked for it");
      return;
    }
    if (replay_to_ != 0 && std::ranges::any_of(facts_, [&](const auto& each) {
          return each.first > replay_to_ && each.second.settled && !covers(each.first);
        })) {
      violated("E4: what was settled behind the range of a replay is unsettled");
      return;
    }
    if (replay_to_ != 0) {
      coverage_.count(Passage::replayed_range);
    }
    unsettle_after(next);
  } else if (append.replays && replay_from_ && next.mark == *replay_from_) {
    expect_anew(next.mark);
  }
  Published published = sort(append);
  end_letters(append, published);
  std::size_t used = 0;
  for (auto& [at, fact] : facts_) {
    if (!fact.settled && covers(at)) {
      used += published.count(at);
      settle(at, fact, append, published);
    }
  }
  if (used != published.size()) {
    violated("E4: something is published of an event that this batch does not settle");
  }
  check_keys(append);
  keep_letters(append);
  note(fmt::format("durable mark {} and {} beyond{}{}", next.mark, next.settled.size(),
                   next.pause.reason == PauseReason::none ? "" : ", paused",
                   next.held_keys.empty() ? "" : fmt::format(", {} keys held", next.held_keys.size())));
  saved_ = *decoded;
}

// E4, E6: it must have been acknowledged, refused, exhausted, expired, or not be wanted.
void World::settle(At at, Fact& fact, const effect::Append& append, const Published& published) {
  std::size_t successes = 0;
  std::size_t failures = 0;
  const journal::Event* dead = nullptr;
  const auto [first, last] = published.equal_range(at);
  for (auto each = first; each != last; ++each) {
    const CausedEvent& publication = *each->second;
    successes += publication.kind == CausedEvent::Kind::success ? 1 : 0;
    failures += publication.kind == CausedEvent::Kind::failure ? 1 : 0;
    if (publication.kind == CausedEvent::Kind::dead_letter) {
      if (dead != nullptr) {
        violated(fmt::format("E4: two dead letters of event {}", at));
      }
      dead = &publication.event;
    }
  }
  const bool refused = dead != nullptr && dead->attribute("deadletterreason") == "refused";
  const std::size_t wanted_failures = refused && !policy_.on_failure.empty() ? 1 : 0;
  if (failures != wanted_failures) {
    violated(fmt::format("event {} has {} publications of its failure", at, failures));
  }
  if (dead != nullptr) {
    settle_dead(at, fact, append, *dead);
  } else if (fact.event.admission == ArrivedEvent::Admission::filtered) {
    coverage_.count(Passage::filtered);
  } else if (fact.said_ok) {
    coverage_.count(Passage::acknowledged);
  } else if (fact.event.expires != 0 && fact.event.expires <= wall_ms()) {
    coverage_.count(Passage::expired);
  } else {
    violated(fmt::format("E6: event {} is settled, and nothing was said of it", at));
  }
  const bool acknowledged = dead == nullptr && fact.said_ok;
  const std::size_t wanted = acknowledged && !policy_.on_success.empty() ? 1 : 0;
  if (successes != wanted) {
    violated(fmt::format("event {} has {} publications of its success", at, successes));
  }
  coverage_.passages[static_cast<std::size_t>(Passage::success_published)] += successes;
  coverage_.passages[static_cast<std::size_t>(Passage::failure_published)] += failures;
  fact.settled = true;
}

void World::settle_dead(At at, const Fact& fact, const effect::Append& append, const journal::Event& dead) {
  const std::string_view reason = dead.attribute("deadletterreason");
  bool justified = false;
  if (reason == "refused") {
    justified = fact.said_no;
    coverage_.count(Passage::refused);
  } else if (reason == "exhausted") {
    justified = fact.spent >= policy_.retry.attempts && !fact.said_ok && !fact.said_no;
    coverage_.count(Passage::exhausted);
    if (dead.attribute("deadlettercode") == "ack-timeout") {
      coverage_.count(Passage::acknowledgement_missed);
    }
  } else if (reason == "parked") {
    justified =
        policy_.after_dead_letter == AfterDeadLetter::park_key &&
        (saved_.held_keys.contains(fact.event.key) || append.progress.held_keys.contains(fact.event.key));
    coverage_.count(Passage::parked);
  } else if (reason == "broken") {
    justified = fact.event.admission == ArrivedEvent::Admission::broken;
    coverage_.count(Passage::broken);
  }
  if (!justified) {
    violated(fmt::format("E10: event {} is a dead letter, and it is not {}", at, reason));
  }
  const bool holds = policy_.after_dead_letter != AfterDeadLetter::skip && !fact.event.key.empty() &&
                     (reason == "refused" || reason == "exhausted");
  if (holds && !append.progress.held_keys.contains(fact.event.key) && !current().engine->stopped() &&
      std::ranges::find(released_, fact.event.key) == released_.end()) {
    violated(fmt::format("event {} is a dead letter, and its key {} is not held", at, fact.event.key));
  }
}

void World::check_keys(const effect::Append& append) {
  for (const std::string& key : saved_.held_keys) {
    if (append.progress.held_keys.contains(key)) {
      continue;
    }
    coverage_.count(Passage::key_released);
    if (std::erase(released_, key) == 0) {
      violated(fmt::format("key {} is let go, and nobody asked for it", key));
    }
  }
}

void World::unsettle_after(const SubscriptionProgress& next) {
  coverage_.count(Passage::replayed);
  for (auto each = facts_.upper_bound(next.mark); each != facts_.end(); ++each) {
    Fact& fact = each->second;
    if (fact.settled && (next.settled.contains(each->first) || next.skips(each->first))) {
      continue;
    }
    fact.had_its_turn = fact.had_its_turn || fact.settled;
    fact.settled = false;
    fact.said_ok = false;
    fact.said_no = false;
    fact.spent = 0;
    fact.unacked = false;
    fact.not_before = Instant::min();
  }
  begin_letters_anew();
}

// A replay that had nothing to unsettle: what was accepted and not yet acknowledged is sent again all the
// same, and dead letters that are sent again begin anew.
void World::expect_anew(At from) {
  for (auto each = facts_.upper_bound(from); each != facts_.end(); ++each) {
    each->second.spent = 0;
    each->second.unacked = false;
    each->second.not_before = Instant::min();
  }
  begin_letters_anew();
}

// The owner dies; what it was about to commit is lost, or is durable and nobody was told.
void World::crash() {
  ++coverage_.crashes;
  note("crash");
  Owner& dying = current();
  const bool zombie = chance(odds_.zombie);
  if (!zombie && dying.committing) {
    if (!dying.written && chance(odds_.lose_commit)) {
      coverage_.count(Passage::crashed_before);
    } else {
      coverage_.count(Passage::crashed_after);
      if (!dying.written) {
        write(*dying.committing);
      }
    }
  }
  take_over(zombie);
}

void World::take_over(bool old_one_lives) {
  if (!owners_.empty() && !old_one_lives) {
    owners_.pop_back();
  }
  std::erase_if(owners_, [](const Owner& each) { return !each.loaded; });
  ++epoch_;
  replay_from_.reset();
  released_.clear();
  Owner next;
  next.epoch = epoch_;
  next.engine = std::make_unique<SubscriptionEngine>(
      policy_,
      SubscriptionSeat{.seed = random_.next(), .first_token = epoch_ << 32, .planted = config_.planted},
      coverage_.counters);
  owners_.push_back(std::move(next));
  schedule(some(std::chrono::milliseconds(50)), LoadDue{.epoch = epoch_});
}

void World::on(const LoadDue& load) {
  Owner* const at = owner(load.epoch);
  if (at == nullptr || at->loaded) {
    return;
  }
  if (load.epoch != epoch_) {
    std::erase_if(owners_, [&](const Owner& each) { return each.epoch == load.epoch; });
    return;
  }
  at->loaded = true;
  ++at->life;
  at->told_to_pause = saved_.pause.reason != PauseReason::none;
  released_.clear();
  for (auto& [position, fact] : facts_) {
    fact.spent = 0;
    fact.out = false;
    fact.unacked = false;
    fact.not_before = Instant::min();
    if (!fact.settled) {
      fact.said_ok = false;
      fact.said_no = false;
    }
  }
  begin_letters_anew();
  feed(*at, input::Load{.progress = saved_});
}

}  // namespace flotilla::events::simulation
