// Dead letters that people work with, in the simulated world.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/events/core/simulation/subscription_world.hpp"

namespace flotilla::events::simulation {

World::Fact& World::fact_of(const Attempt& attempt) {
  return attempt.letter == 0 ? facts_.at(attempt.at) : letters_.at(attempt.letter).fact;
}

bool World::letters_wait() const {
  return std::ranges::any_of(
      letters_, [](const auto& each) { return each.second.kept->state == LetterState::replaying; });
}

void World::carry_out(Epoch epoch, effect::FetchRedrives& fetch) {
  Owner& at = *owner(epoch);
  if (fetch.letters == 0 || fetch.letters > kMaxRedrives || fetch.had.size() > kMaxRedrives) {
    violated(fmt::format("bound: {} letters are asked for", fetch.letters));
  }
  at.redrives = fetch;
  schedule(some(std::chrono::milliseconds(5)), RedrivesDue{.epoch = epoch, .fetch = fetch.fetch});
}

void World::on(const RedrivesDue& due) {
  Owner* const at = owner(due.epoch);
  if (at == nullptr || !at->redrives || at->redrives->fetch != due.fetch) {
    return;
  }
  const effect::FetchRedrives asked = *std::exchange(at->redrives, std::nullopt);
  // Few at once, so that there are often more.
  const std::size_t most = std::min<std::size_t>(asked.letters, 1 + random_.below(4));
  input::Redrives in{.fetch = asked.fetch};
  for (const auto& [id, letter] : letters_) {
    if (letter.kept->state != LetterState::replaying || std::ranges::binary_search(asked.had, id)) {
      continue;
    }
    if (in.letters.size() == most) {
      in.more = true;
      break;
    }
    in.letters.push_back({.letter = id, .kept = letter.kept, .arrived = letter.fact.event});
  }
  feed(*at, std::move(in));
}

// Whatever of that key was begun, and is not settled on disk, comes first.
void World::check_letters_of_key(const effect::Send& send, std::string_view key) {
  if (policy_.order_by == OrderBy::none || key.empty()) {
    return;
  }
  for (const auto& [id, letter] : letters_) {
    const Fact& fact = letter.fact;
    if (id != send.letter && fact.event.key == key && letter.kept->state == LetterState::replaying &&
        (fact.out || fact.unacked || fact.spent > 0)) {
      violated(fmt::format("E5: event {} of key {} is sent while letter {} is not settled", send.position,
                           key, id));
    }
  }
}

void World::check_redrive(const Owner& owner, const effect::Send& send) {
  const auto found = letters_.find(send.letter);
  if (found == letters_.end() || found->second.kept->state != LetterState::replaying) {
    violated(fmt::format("letter {} is sent again, and nobody asked for it", send.letter));
    return;
  }
  const Fact& fact = found->second.fact;
  if (encode(*send.event) != fact.bytes || send.position != fact.event.position || !send.replay) {
    violated(fmt::format("E7: letter {} is not what it was", send.letter));
  }
  check_letters_of_key(send, fact.event.key);
  const auto begun = [&](const auto& each) {
    const Fact& other = each.second;
    return !other.settled && other.event.key == fact.event.key &&
           (other.out || other.unacked || other.spent > 0);
  };
  if (policy_.order_by == OrderBy::key && !fact.event.key.empty() && std::ranges::any_of(facts_, begun)) {
    violated(fmt::format("E5: letter {} of key {} is sent while an event of it is not settled", send.letter,
                         fact.event.key));
  }
  if (fact.out || clock_ < fact.not_before || fact.said_no ||
      fact.event.admission != ArrivedEvent::Admission::deliver ||
      (fact.event.expires != 0 && fact.event.expires <= wall_ms())) {
    violated(fmt::format("2.3: letter {} must not be sent now", send.letter));
  }
  if (owner.told_to_pause || saved_.pause.reason != PauseReason::none) {
    violated(fmt::format("paused, and letter {} is sent", send.letter));
  }
  if (fact.spent >= policy_.retry.attempts || under_way() >= policy_.concurrency) {
    violated(fmt::format("letter {} is sent too often, or beside too many", send.letter));
  }
}

// Every dead letter that is durable is one that people can work with.
void World::keep_letters(const effect::Append& append) {
  for (const CausedEvent& each : append.caused) {
    if (each.kind != CausedEvent::Kind::dead_letter) {
      continue;
    }
    DeadLetter kept;
    const auto folded = fold(kept, {.record_class = journal::RecordClass::queue,
                                    .stream = journal::StreamId(next_letter_),
                                    .version = 1,
                                    .type = kLetterRecord,
                                    .time = journal::UtcMillis(wall_ms()),
                                    .body = encode(each.event)});
    const auto position = journal::Position::parse(kept.position());
    if (!folded || !position) {
      violated("a dead letter cannot be read");
      return;
    }
    Letter& letter = letters_[next_letter_++];
    letter.fact = facts_.at(position->number());
    letter.kept = std::make_shared<const DeadLetter>(std::move(kept));
    if (encode(original_of(*letter.kept)) != letter.fact.bytes) {
      violated(fmt::format("E7: the dead letter of {} is not the event", position->number()));
    }
  }
}

void World::take_step(std::uint64_t id, Letter& letter, const LetterStep& step) {
  DeadLetter after = *letter.kept;
  const auto folded = fold(after, {.record_class = journal::RecordClass::queue,
                                   .stream = journal::StreamId(id),
                                   .version = after.version + 1,
                                   .type = kLetterStepRecord,
                                   .time = journal::UtcMillis(wall_ms()),
                                   .body = encode(step)});
  if (!folded) {
    violated(folded.error().message);
    return;
  }
  letter.kept = std::make_shared<const DeadLetter>(std::move(after));
}

// Durable at once: it is a batch of its own.
void World::redrive_some() {
  bool any = false;
  for (auto& [id, letter] : letters_) {
    if (letter.kept->state != LetterState::open || random_.below(3) != 0 ||
        !objection(*letter.kept, LetterVerb::replay).empty()) {
      continue;
    }
    Fact& fact = letter.fact;
    if (random_.below(3) == 0) {
      take_step(
          id, letter,
          {.verb = LetterVerb::edit, .who = "ann", .why = "x", .data = fmt::format("[{}]", random_.next())});
      fact.event.event = std::make_shared<const journal::Event>(original_of(*letter.kept));
      fact.bytes = encode(*fact.event.event);
      fact.mood = Mood::well;
      fact.event.admission =
          random_.below(8) == 0 ? ArrivedEvent::Admission::filtered : ArrivedEvent::Admission::deliver;
    }
    fact.spent = 0;
    fact.out = fact.unacked = fact.said_ok = fact.said_no = fact.settled = false;
    fact.not_before = Instant::min();
    take_step(id, letter, {.verb = LetterVerb::replay, .who = "ann", .why = "x"});
    note(fmt::format("person sends letter {} of event {} again", id, fact.event.position));
    any = true;
  }
  if (any && current().loaded) {
    feed(current(), input::RedrivesWait{});
  }
}

// What the engine does where it loads, and where it goes back.
void World::begin_letters_anew() {
  for (auto& [id, letter] : letters_) {
    Fact& fact = letter.fact;
    fact.spent = 0;
    fact.out = fact.unacked = fact.said_ok = fact.said_no = false;
    fact.not_before = Instant::min();
  }
}

void World::end_letters(const effect::Append& append, Published& published) {
  for (const RedriveOutcome& each : append.letters) {
    const auto found = letters_.find(each.letter);
    if (found == letters_.end() || found->second.kept->state != LetterState::replaying ||
        found->second.kept->version != each.kept->version) {
      violated(fmt::format("letter {} comes to an end, and is not being sent again", each.letter));
      return;
    }
    end_letter(found->second, each, append);
    if (each.step.verb == LetterVerb::delivered && !policy_.on_success.empty()) {
      const auto [first, last] = published.equal_range(found->second.fact.event.position);
      const auto success = std::find_if(first, last, [](const auto& publication) {
        return publication.second->kind == CausedEvent::Kind::success;
      });
      if (success == last) {
        violated(fmt::format("letter {} is delivered, and its success is not published", each.letter));
        return;
      }
      published.erase(success);
    }
  }
  for (const RedriveOutcome& each : append.letters) {
    take_step(each.letter, letters_.at(each.letter), each.step);
  }
}

void World::end_letter(const Letter& letter, const RedriveOutcome& outcome, const effect::Append& append) {
  const Fact& fact = letter.fact;
  bool justified = false;
  switch (outcome.step.verb) {
    case LetterVerb::delivered:
      justified = fact.said_ok;
      coverage_.count(Passage::redriven);
      break;
    case LetterVerb::expired:
      justified = fact.event.expires != 0 && fact.event.expires <= wall_ms();
      coverage_.count(Passage::redrive_expired);
      break;
    case LetterVerb::filtered:
      justified = fact.event.admission == ArrivedEvent::Admission::filtered;
      coverage_.count(Passage::redrive_filtered);
      break;
    case LetterVerb::returned:
      if (outcome.step.code == "broken") {
        justified = fact.event.admission == ArrivedEvent::Admission::broken;
        coverage_.count(Passage::redrive_broken);
      } else if (outcome.step.code == "parked") {
        const auto same_key = [&](const RedriveOutcome& other) {
          return other.letter != outcome.letter && letters_.at(other.letter).fact.event.key == fact.event.key;
        };
        justified = policy_.after_dead_letter != AfterDeadLetter::skip && fact.spent == 0 && !fact.out &&
                    (std::ranges::any_of(append.letters, same_key) ||
                     append.progress.held_keys.contains(fact.event.key));
        coverage_.count(Passage::returned_behind);
      } else {
        justified = !fact.said_ok && (fact.said_no || fact.spent >= policy_.retry.attempts);
        coverage_.count(Passage::returned);
      }
      break;
    case LetterVerb::edit:
    case LetterVerb::replay:
    case LetterVerb::drop:
      break;
  }
  if (!justified) {
    violated(
        fmt::format("letter {} is {}, and nothing says so", outcome.letter, to_string(outcome.step.verb)));
  }
}

}  // namespace flotilla::events::simulation
