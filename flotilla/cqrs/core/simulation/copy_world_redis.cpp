// Redis as the copies of a view meet it: commands of each connection in their order, those of others between.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/cqrs/core/simulation/copy_world.hpp"

namespace flotilla::cqrs::simulation {

void CopyWorld::execute(Connection& connection) {
  const Command command = std::move(connection.commands.front());
  connection.commands.pop_front();
  connection.replies.push_back(
      std::visit([&](const auto& each) { return execute(connection, each); }, command));
}

CopyInput CopyWorld::execute(Connection& connection, const ClaimCommand& command) {
  const CopyMarker before = redis_.marker.value_or(CopyMarker{});
  const bool known = redis_.marker.has_value();
  if (known && before.journal == connection.journal && before.epoch > connection.epoch &&
      config_.script != ScriptFault::claim_unordered) {
    coverage_.count(CopyPassage::outdated);
    return copying::Outdated{"a later process"};
  }
  if (known && before.journal != connection.journal && !command.last.empty() &&
      before.claim != command.last) {
    coverage_.count(CopyPassage::taken);
    return copying::Outdated{"another journal"};
  }
  CopyMarker now = before;
  now.journal = connection.journal;
  now.epoch = connection.epoch;
  now.claim = command.claim;
  now.batch = command.batch;
  now.generation = 0;
  now.position = 0;
  redis_.marker = now;
  note(fmt::format("claim {} of process {}", command.claim, connection.epoch));
  return copying::Claimed{.claim = command.claim,
                          .same_journal = known && before.journal == connection.journal,
                          .before = before};
}

CopyInput CopyWorld::execute(Connection& connection, const copying::Write& command) {
  copying::Written out{.batch = command.batch};
  if (config_.script != ScriptFault::write_unfenced) {
    if (!redis_.marker) {
      out.outcome = copying::Outcome::unmarked;
      return out;
    }
    if (redis_.marker->claim != command.claim) {
      coverage_.count(CopyPassage::refused);
      const bool other = redis_.marker->journal != connection.journal;
      coverage_.passages[static_cast<std::size_t>(CopyPassage::taken)] += other ? 1 : 0;
      out.outcome = other ? copying::Outcome::taken : copying::Outcome::refused;
      return out;
    }
  } else if (!redis_.marker) {
    redis_.marker = CopyMarker{};
  }
  for (const copying::Item& item : command.items) {
    if (item.body && !healing_ && chance(odds_.not_taken)) {
      coverage_.count(CopyPassage::not_taken);
      ++out.not_taken;
      redis_.copies.erase(item.key);
      redis_.excused.insert(item.key);
      continue;
    }
    put(item);
  }
  redis_.marker->batch = command.batch;
  redis_.marker->generation = command.generation;
  redis_.marker->position = command.position;
  note(fmt::format("batch {} of {}: {} copies, complete to {}", command.batch, command.claim,
                   command.items.size(), command.position));
  if (command.position != 0) {
    check_complete(command.generation, command.position);
  }
  return out;
}

// C1.
void CopyWorld::put(const copying::Item& item) {
  redis_.excused.erase(item.key);
  if (!item.body) {
    coverage_.count(CopyPassage::removed);
    redis_.copies.erase(item.key);
    note(fmt::format("  {} removed", item.key));
    return;
  }
  coverage_.count(CopyPassage::copied);
  const std::string_view text = item.body->json;
  const std::size_t space = text.find(' ');
  const Copy copy{.generation = *parse_int<std::uint64_t>(text.substr(0, space)),
                  .position = *parse_int<std::uint64_t>(text.substr(space + 1))};
  note(fmt::format("  {} is {}", item.key, text));
  Copy& newest = newest_[item.key];
  if (std::pair(copy.generation, copy.position) < std::pair(newest.generation, newest.position)) {
    violated(fmt::format("C1: the copy of {} goes back to {}", item.key, text));
  }
  if (item.ttl_ms > 3'600'000 || item.ttl_ms < 3'240'000) {
    violated(fmt::format("a copy is to live for {} ms", item.ttl_ms));
  }
  newest = copy;
  redis_.copies[item.key] = copy;
}

CopyInput CopyWorld::execute(Connection& /*connection*/, const copying::Scan& command) {
  copying::Scanned out{.sweep = command.sweep, .keys = {}, .next = "0"};
  for (const auto& [key, copy] : redis_.copies) {
    if (command.cursor == "0" || key > command.cursor) {
      if (out.keys.size() == 2) {
        out.next = out.keys.back();
        break;
      }
      out.keys.push_back(key);
    }
  }
  return out;
}

void CopyWorld::harm_redis() {
  switch (random_.below(7)) {
    case 0:
      coverage_.count(CopyPassage::redis_emptied);
      note("Redis is flushed");
      redis_ = {};
      newest_.clear();
      return;
    case 1:
      note("Redis ends, and has nothing");
      coverage_.count(CopyPassage::redis_emptied);
      restart_redis(Redis());
      return;
    case 2:
      if (snapshot_) {
        note("Redis ends, and has what it once had");
        coverage_.count(CopyPassage::redis_went_back);
        restart_redis(snapshot_);
      }
      return;
    case 3:
      snapshot_ = redis_;
      return;
    case 4:
      note("Redis ends, and has all");
      restart_redis(std::nullopt);
      return;
    case 5:
      coverage_.count(CopyPassage::marker_lost);
      note("the marker is lost");
      redis_.marker.reset();
      return;
    default:
      if (!redis_.copies.empty()) {
        const auto which = std::next(redis_.copies.begin(),
                                     static_cast<std::ptrdiff_t>(random_.below(redis_.copies.size())));
        coverage_.count(CopyPassage::expired);
        note(fmt::format("{} ends", which->first));
        redis_.excused.insert(which->first);
        redis_.copies.erase(which);
      }
  }
}

void CopyWorld::restart_redis(std::optional<Redis> with) {
  if (with) {
    redis_ = std::move(*with);
    newest_ = redis_.copies;
  }
  broken_.clear();  // a server that ends takes their commands along
  std::vector<Process*> all{process_.get()};
  for (const auto& sleeper : sleepers_) {
    all.push_back(sleeper.get());
  }
  for (Process* const each : all) {
    if (each->connection) {
      each->connection->commands.clear();
      disconnect(*each);
    }
  }
}

// C3, and in the end C2.
void CopyWorld::check_complete(Generation generation, std::uint64_t position) {
  if (generation != generation_) {
    return;  // of a version that was read a moment ago; nobody can tell any more
  }
  for (const auto& [key, copy] : redis_.copies) {
    const Change* const then = last_change(key, position);
    const Change* const now = last_change(key, position_);
    if (copy.generation < generation || (then != nullptr && copy.position < then->position) ||
        ((now == nullptr || !now->exists) && (now == nullptr || now->position <= position))) {
      violated(fmt::format("C3: copies are complete up to {}, and that of {} is {} {}", position, key,
                           copy.generation, copy.position));
    }
  }
  for (const auto& [key, changes] : history_) {
    const Change* const now = last_change(key, position_);
    const bool wanted = now->exists && now->position <= position && now->position % 13 != 0;
    if (wanted && !redis_.copies.contains(key) && !redis_.excused.contains(key)) {
      violated(fmt::format("C2: copies are complete up to {}, and {} has none", position, key));
    }
  }
}

}  // namespace flotilla::cqrs::simulation
