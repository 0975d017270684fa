#include <fmt/format.h>

#include "flotilla/cqrs/core/simulation/view_world.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs::simulation {

void World::carry_out(effect::Fetch& fetch) { under_way_.emplace_back(std::move(fetch)); }
void World::carry_out(effect::LoadRows& load) { under_way_.emplace_back(std::move(load)); }
void World::carry_out(effect::Forget& forget) { under_way_.emplace_back(forget); }

void World::carry_out(effect::Save& save) {
  note(fmt::format("version {} saves {} rows up to {}", save.generation, save.rows.size(),
                   save.checkpoint.position.text()));
  coverage_.passages[static_cast<std::size_t>(Passage::round_cut)] +=
      save.checkpoint.position.covers(read_to_[save.generation]) ? 0 : 1;
  writes_.push_back(std::make_unique<Write>(Write{.what = std::move(save)}));
}

void World::carry_out(effect::SaveRecord& save) {
  note(fmt::format("record: live {}, building {}, doomed {}",
                   save.record.live ? save.record.live->generation : 0,
                   save.record.building ? save.record.building->generation : 0, save.record.doomed.size()));
  const std::optional<ViewRecord>& before = store_.record;
  const bool flips = before && before->building && save.record.live &&
                     save.record.live->generation == before->building->generation;
  if (save.fresh) {
    const bool has_live = save.record.live.has_value();
    const bool other = has_live && save.record.live->hash != save.fresh->hash;
    coverage_.count(!has_live ? Passage::first_built : other ? Passage::changed_built : Passage::asked_built);
  }
  if (before && before->live && store_.checkpoints.contains(before->live->generation) && !flips &&
      save.record.live != before->live) {
    violated(fmt::format("version {} is read, and is given up without another", before->live->generation));
  }
  if (flips) {
    coverage_.count(Passage::flipped);
    coverage_.passages[static_cast<std::size_t>(Passage::flip_waited)] +=
        before->live && just_saved_ == before->live->generation ? 1 : 0;
  }
  writes_.push_back(std::make_unique<Write>(Write{.what = std::move(save)}));
}

// P4, P10.
void World::carry_out(effect::Serve& serve) {
  note(fmt::format("reads: version {} up to {}", serve.generation, serve.position.text()));
  if (!store_.record || !store_.record->live || store_.record->live->generation != serve.generation) {
    violated(fmt::format("P10: reads are sent to version {}, which is not the one that is kept as live",
                         serve.generation));
    return;
  }
  if (served_ && (!serve.position.covers(served_->position) || serve.generation < served_->generation)) {
    violated(fmt::format("P10: reads were told of {} and then of {}", served_->position.text(),
                         serve.position.text()));
  }
  const auto checkpoint = store_.checkpoints.find(serve.generation);
  if (checkpoint == store_.checkpoints.end() || !end().covers(serve.position) ||
      !nothing_between(*oracle(serve.generation).view, checkpoint->second.position, serve.position)) {
    violated(fmt::format("P4: reads are told of position {}, and not all of it is durable",
                         serve.position.text()));
  }
  const bool new_one = served_ && served_->generation != serve.generation;
  if (!new_one && store_.record->building && served_ && serve.position != served_->position) {
    coverage_.count(Passage::events_meanwhile);
  }
  served_ = serve;
}

void World::carry_out(effect::Failed& failed) {
  note(fmt::format("version {} stops: {}", failed.generation, failed.why));
  const bool live =
      store_.record && store_.record->live && store_.record->live->generation == failed.generation;
  coverage_.count(live ? Passage::stopped_live : Passage::stopped_built);
  Oracle of = oracle(failed.generation);  // its own: another life may read the shards in another order
  advance(of, failed.position);
  const auto broken = of.broken_at.find(failed.position.shard());
  if (broken == of.broken_at.end() || broken->second != failed.position.number()) {
    violated(fmt::format("version {} stops at {}, which can be folded", failed.generation,
                         failed.position.text()));
  }
}

void World::carry_out(effect::Reload&) {
  note("it is to be loaded anew");
  reloading_ = true;
  under_way_.clear();
  if (writes_.empty()) {
    restart(false);
  }
}

void World::carry_out(effect::Reply& reply) {
  if (!reply.refusal.empty()) {
    coverage_.count(Passage::refused_rebuild);
  }
}

void World::answer(const effect::Fetch& fetch) {
  input::Arrived in{.generation = fetch.generation, .fetch = fetch.fetch};
  in.read_to = fetch.after;
  const std::size_t most = 1 + random_.below(fetch.events);
  const std::size_t first = random_.below(journal_.size());
  for (std::size_t i = 0; i < journal_.size(); ++i) {
    const auto shard = static_cast<std::uint32_t>((first + i) % journal_.size());
    std::uint64_t at = fetch.after.at(shard).number();
    if (chance(odds_.again) && at > 0) {
      at -= std::min<std::uint64_t>(at, 1 + random_.below(4));
      coverage_.count(Passage::event_again);
    }
    while (at < journal_[shard].size() && in.events.size() < most) {
      const Fact& fact = journal_[shard][at++];
      if (std::ranges::find(fetch.topics, fact.topic) != fetch.topics.end()) {
        in.events.push_back({.position = journal::Position(at, shard),
                             .recorded_ms = static_cast<std::int64_t>(at),
                             .event = fact.event});
      }
    }
    in.read_to.advance_to(journal::Position(at, shard));
  }
  in.at_end = in.read_to == end();
  if (in.at_end) {
    told_end_[fetch.generation] = in.read_to;
  }
  read_to_[fetch.generation] = in.read_to;
  old_pages_.push_back(in);
  feed(std::move(in));
}

void World::answer(const effect::LoadRows& load) {
  input::Rows in{.generation = load.generation, .load = load.load, .values = {}};
  std::size_t count = load.names.size();
  if (chance(odds_.cut) && count > 1) {
    count = 1 + random_.below(count - 1);
    coverage_.count(Passage::load_cut);
  }
  const Rows& rows = store_.tables[load.generation];
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = rows.find(load.names[i]);
    in.values.push_back(found == rows.end() ? std::nullopt : std::optional(found->second));
  }
  feed(std::move(in));
}

void World::answer(const effect::Forget& forget) {
  for (const std::optional<ViewVersion>* each : {&store_.record->live, &store_.record->building}) {
    if (*each && (*each)->generation == forget.generation) {
      violated(fmt::format("rows of version {} are deleted, which is in use", forget.generation));
    }
  }
  Rows& rows = store_.tables[forget.generation];
  for (int i = 0; i < 3 && !rows.empty(); ++i) {
    rows.erase(rows.begin());
    coverage_.count(Passage::forgot_rows);
  }
  feed(input::Forgotten{.generation = forget.generation, .all = rows.empty()});
}

void World::tell(const Write& write) {
  if (const auto* const save = std::get_if<effect::Save>(&write.what)) {
    if (write.answered_well) {
      just_saved_ = save->generation;
      feed(input::Saved{save->generation});
      just_saved_.reset();
    } else {
      feed(input::SaveFailed{save->generation});
    }
    return;
  }
  if (write.answered_well) {
    feed(input::RecordSaved{});
  } else {
    coverage_.count(Passage::record_failed);
    feed(input::RecordFailed{});
  }
}

World::Oracle& World::oracle(Generation generation) {
  const auto found = oracles_.find(generation);
  if (found != oracles_.end()) {
    return found->second;
  }
  ViewTexts texts;
  for (const std::optional<ViewVersion>* each : {&store_.record->live, &store_.record->building}) {
    if (*each && (*each)->generation == generation) {
      texts = (*each)->texts;
    }
  }
  auto view = compile_view("v", texts);
  return oracles_
      .emplace(generation,
               Oracle{.view = view ? *view : nullptr, .position = journal::ReadToken(end().shards())})
      .first->second;
}

journal::ReadToken World::end() const {
  journal::ReadToken token(static_cast<std::uint32_t>(journal_.size()));
  for (std::uint32_t shard = 0; shard < token.shards(); ++shard) {
    token.move_to(journal::Position(journal_[shard].size(), shard));
  }
  return token;
}

bool World::waits(const effect::Fetch& fetch) const {
  const auto told = told_end_.find(fetch.generation);
  return told != told_end_.end() && told->second == end() && fetch.after == end();
}

void World::advance(Oracle& of, const journal::ReadToken& position) {
  for (std::uint32_t shard = 0; shard < position.shards(); ++shard) {
    advance(of, position.at(shard));
  }
}

void World::advance(Oracle& of, journal::Position position) {
  const std::uint32_t shard = position.shard();
  while (!of.position.covers(position) && !of.broken_at.contains(shard) && of.view != nullptr) {
    const std::uint64_t at = of.position.at(shard).number();
    of.position.move_to(journal::Position(at + 1, shard));
    if (!fold(of, journal_[shard][at])) {
      of.broken_at.emplace(shard, at + 1);
    }
  }
}

bool World::fold(Oracle& of, const Fact& fact) {
  if (std::ranges::find(of.view->texts.from, fact.topic) == of.view->texts.from.end()) {
    return true;
  }
  const auto values = read_values(*fact.event);
  const auto place = place_of(*of.view, *values);
  if (!place) {
    return false;
  }
  if (!*place) {
    coverage_.count(Passage::event_ignored);
    return true;
  }
  const auto row = of.rows.find(**place);
  const bool was = row != of.rows.end();
  const auto folded = fold_row(*of.view, was ? *json::parse(row->second) : json::Value(), *values);
  if (!folded) {
    return false;
  }
  ++of.events;
  if (folded->row.is_null()) {
    of.rows.erase(**place);
    of.removed[**place] = true;
    coverage_.count(Passage::row_removed);
  } else {
    of.rows.insert_or_assign(**place, folded->text);
    coverage_.count(was                            ? Passage::row_changed
                    : of.removed.contains(**place) ? Passage::row_back
                                                   : Passage::row_added);
  }
  return true;
}

bool World::nothing_between(const ViewDefinition& view, const journal::ReadToken& from,
                            const journal::ReadToken& to) const {
  for (std::uint32_t shard = 0; shard < to.shards(); ++shard) {
    for (std::uint64_t at = from.at(shard).number(); at < to.at(shard).number(); ++at) {
      if (std::ranges::find(view.texts.from, journal_[shard][at].topic) != view.texts.from.end()) {
        return false;
      }
    }
  }
  return true;
}

// P1, P2, P3: rows and checkpoint are those of a fold from scratch.
void World::commit(const effect::Save& save) {
  Rows& rows = store_.tables[save.generation];
  for (const auto& [name, text] : save.rows) {
    if (text) {
      rows.insert_or_assign(name, *text);
    } else {
      rows.erase(name);
    }
  }
  store_.checkpoints[save.generation] = save.checkpoint;
  Oracle& of = oracle(save.generation);
  if (of.view == nullptr) {
    violated(fmt::format("version {} is saved, and there is no such version", save.generation));
    return;
  }
  advance(of, save.checkpoint.position);
  for (const auto& [shard, broken] : of.broken_at) {
    if (save.checkpoint.position.covers(journal::Position(broken, shard))) {
      violated(fmt::format("the checkpoint of version {} passes {}-{}, which it cannot fold", save.generation,
                           shard, broken));
    }
  }
  if (of.rows != rows || of.position != save.checkpoint.position) {
    violated(fmt::format("P1: version {} at {} is not the fold of the events up to there", save.generation,
                         save.checkpoint.position.text()));
  } else if (of.events != save.checkpoint.events || rows.size() != save.checkpoint.rows) {
    violated(fmt::format("version {} says that it has {} rows of {} events, and has {} of {}",
                         save.generation, save.checkpoint.rows, save.checkpoint.events, rows.size(),
                         of.events));
  }
}

void World::commit(const effect::SaveRecord& save) {
  const bool flips = save.record.live && (!store_.record || store_.record->live != save.record.live);
  for (const ViewVersion& retired : save.retired) {
    store_.checkpoints.erase(retired.generation);
  }
  store_.record = save.record;
  if (save.fresh) {
    store_.checkpoints[save.fresh->generation] = {.position = journal::ReadToken(end().shards())};
  }
  if (flips && served_) {
    const Generation live = save.record.live->generation;
    const journal::ReadToken& at = store_.checkpoints[live].position;
    if (!at.covers(served_->position) && !nothing_between(*oracle(live).view, at, served_->position)) {
      violated(fmt::format("P10: reads were told of {}, and version {} has come to {}",
                           served_->position.text(), live, at.text()));
    }
  }
}

}  // namespace flotilla::cqrs::simulation
