#include <fmt/format.h>

#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/cqrs/simulation/command_world.hpp"

namespace flotilla::cqrs::simulation {

void CommandWorld::look() {
  const std::string id = fmt::format("a{}", random_.below(4));  // of one there never is anything
  const std::uint64_t version = versions_.contains(id) ? versions_.at(id) : 0;
  const std::optional<std::uint64_t> at =
      random_.below(2) == 0 ? std::nullopt : std::optional(1 + random_.below(version + 2));
  AggregateSight machine(code(), id, at, config_.planted);
  SightEffect first = machine.begin();
  looking_.emplace(Looking{.id = id,
                           .at = at,
                           .least = version,
                           .code = code(),
                           .machine = std::move(machine),
                           .effect = std::move(first)});
}

// As with requests: what was read may be old by the time it is told.
void CommandWorld::look_on() {
  Looking& looking = *looking_;
  if (looking.told) {
    looking.effect = looking.machine.step(*std::exchange(looking.told, std::nullopt));
  } else if (chance(odds_.fail)) {
    looking.told = input::Failed{{.reason = Reason::overloaded, .detail = "the store is busy"}};
  } else if (const auto* const find = std::get_if<effect::FindHolder>(&looking.effect)) {
    looking.told = read(*find);
  } else if (const auto* const snapshot = std::get_if<effect::ReadSnapshot>(&looking.effect)) {
    const input::SnapshotFound found = read(*snapshot);
    if (found.version > looking.at.value_or(found.version)) {
      coverage_.count(Event::looked_past_snapshot);
    }
    looking.told = found;
  } else {
    looking.told = read(std::get<effect::ReadRecords>(looking.effect));
  }
  if (const auto* const end = std::get_if<effect::Seen>(&looking.effect)) {
    seen(looking, end->outcome);
    looking_.reset();
  }
}

void CommandWorld::seen(const Looking& looking, const std::expected<Sight, CommandRefusal>& outcome) {
  if (outcome) {
    note(fmt::format("{} is seen at version {} of {}", looking.id, outcome->version, outcome->newest));
    check_sight(looking, *outcome);
    return;
  }
  const Reason reason = outcome.error().reason;
  if (reason == Reason::not_found && looking.at.value_or(1) > looking.least) {
    coverage_.count(Event::looked_at_nothing);
  } else if (reason != Reason::overloaded) {  // of that one there is nothing to be learned
    violated(fmt::format("{} cannot be seen: {}", looking.id, outcome.error().detail));
  }
}

void CommandWorld::check_sight(const Looking& looking, const Sight& sight) {
  coverage_.count(looking.at ? Event::looked_back : Event::looked);
  coverage_.events[static_cast<std::size_t>(Event::looked_from_snapshot)] += sight.snapshot > 0 ? 1 : 0;
  if (sight.newest < looking.least || sight.newest > versions_[looking.id]) {
    violated(fmt::format("{} is said to be at version {}", looking.id, sight.newest));
  }
  if (sight.version != looking.at.value_or(sight.newest)) {
    violated(fmt::format("{} is seen at version {}, asked for was {}", looking.id, sight.version,
                         looking.at.value_or(0)));
  }
  State state = looking.code->initial;
  std::uint64_t version = 0;
  for (const journal::RecordPtr& each : all(journal::RecordClass::aggregate, "")) {
    if (each->record.stream == sight.stream && version < sight.version) {
      state = *looking.code->evolve(state, *read_values(*journal::decode_event(each->record.body)));
      ++version;
    }
  }
  if (sight.state != looking.code->save(state)) {
    violated(fmt::format("the state of {} at version {} is seen as {}, its fold from scratch is {}",
                         looking.id, sight.version, sight.state.value_or("nothing"),
                         *looking.code->save(state)));
  }
}

}  // namespace flotilla::cqrs::simulation
