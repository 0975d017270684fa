#include "flotilla/cqrs/core/view_engine.hpp"

#include <algorithm>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::cqrs {

ViewEngine::ViewEngine(ViewDefinitionPtr wanted, const ProjectionLimits& limits, ViewCounters& counters,
                       std::uint32_t shards, ViewFault planted)
    : wanted_(std::move(wanted)), limits_(limits), counters_(counters), shards_(shards), planted_(planted) {}

ViewEffects ViewEngine::step(ViewInput in) {
  if (!over_) {
    std::visit([this](auto& each) { on(each); }, in);
  }
  if (!over_ && loaded_) {
    change_record();
  }
  return std::exchange(effects_, {});
}

ViewReport ViewEngine::report() const {
  ViewReport out{.loaded = loaded_, .live = {}, .building = {}, .doomed = record_.doomed.size()};
  const auto of = [](const std::optional<ViewVersion>& version, const std::unique_ptr<Projection>& projection,
                     const std::string& broken) -> std::optional<VersionReport> {
    if (!version) {
      return std::nullopt;
    }
    VersionReport report{.version = *version, .checkpoint = {}, .position = {}, .failure = broken};
    if (projection) {
      report.checkpoint = projection->checkpoint();
      report.position = projection->position();
      report.failure = projection->failure().empty() ? broken : projection->failure();
    }
    return report;
  };
  out.live = of(record_.live, live_, live_broken_);
  out.building = of(record_.building, building_, {});
  return out;
}

void ViewEngine::on(input::Load& in) {
  const auto has = [&](const std::optional<ViewVersion>& version) {
    return version && checkpoints_.contains(version->generation);
  };
  checkpoints_ = std::move(in.checkpoints);
  record_ = std::move(in.record).value_or(ViewRecord{});
  ViewRecord adopted = adopt(record_, *wanted_, has(record_.live), has(record_.building));
  if (adopted != record_) {
    write(Writing::beginning, std::move(adopted));
    return;
  }
  start_versions();
}

// Of a version that begins there is none yet.
Checkpoint ViewEngine::checkpoint_of(Generation generation) const {
  const auto found = checkpoints_.find(generation);
  return found != checkpoints_.end() ? found->second : Checkpoint{.position = journal::ReadToken(shards_)};
}

// With what stands in record_ and is durable.
void ViewEngine::start_versions() {
  loaded_ = true;
  if (record_.live && !live_) {
    live_ = make(*record_.live, checkpoint_of(record_.live->generation));
    live_broken_ =
        live_ ? "" : "this version of Flotilla does not understand the definition it was built with";
    serve({});
    if (live_) {
      live_->start(effects_);
    }
  }
  if (record_.building && !building_) {
    Checkpoint from = checkpoint_of(record_.building->generation);
    if (planted_ == ViewFault::build_from_live && live_ && from.position.total() == 0) {
      from.position = live_->checkpoint().position;
    }
    building_ = make(*record_.building, from);
    FLOTILLA_ASSERT(building_);  // its definition is the file's
    building_->start(effects_);
  }
  forget_next();
}

std::unique_ptr<Projection> ViewEngine::make(const ViewVersion& version, const Checkpoint& from) {
  ViewDefinitionPtr view = wanted_;
  if (version.hash != wanted_->hash) {
    auto compiled = compile_version(*wanted_, version.texts);
    if (!compiled) {
      return nullptr;
    }
    view = std::move(*compiled);
  }
  return std::make_unique<Projection>(std::move(view), version.generation, from, limits_, counters_,
                                      planted_);
}

Projection* ViewEngine::find(Generation generation) {
  for (std::unique_ptr<Projection>* each : {&live_, &building_}) {
    if (*each && (*each)->generation() == generation) {
      return &**each;
    }
  }
  return nullptr;
}

void ViewEngine::on(input::Arrived& in) {
  if (Projection* const projection = find(in.generation)) {
    projection->arrived(std::move(in), effects_);
    serve({});
  }
}

void ViewEngine::on(input::Expire& in) {
  if (live_ && live_->generation() == in.generation) {
    live_->expire(std::move(in), effects_);
  }
}

void ViewEngine::on(input::Rows& in) {
  if (Projection* const projection = find(in.generation)) {
    const journal::ReadToken before = projection->position();
    projection->rows(std::move(in), effects_);
    if (planted_ == ViewFault::serve_before_saved && projection->is_saving() && served_) {
      served_->position = before;
      for (std::uint32_t shard = 0; shard < shards_; ++shard) {
        served_->position.move_to(journal::Position(before.at(shard).number() + 1, shard));
      }
      effects_.emplace_back(*served_);
    }
    serve({});
  }
}

void ViewEngine::on(const input::Saved& in) {
  Projection* const projection = find(in.generation);
  if (projection == nullptr) {
    return;
  }
  auto done = projection->saved(effects_);
  if (done && live_ && projection == &*live_) {
    serve(std::move(done->changed));
  }
}

void ViewEngine::on(const input::SaveFailed& in) {
  if (find(in.generation) == nullptr) {
    return;
  }
  if (planted_ == ViewFault::ignore_save_failure) {
    on(input::Saved{in.generation});
    return;
  }
  reload();
}

void ViewEngine::reload() {
  over_ = true;
  counters_.reloads.add();
  for (const Waiter waiter : std::exchange(rebuilding_, {})) {
    effects_.emplace_back(effect::Reply{
        .waiter = waiter, .refusal = "it is not known whether it was saved; look, and ask again"});
  }
  effects_.emplace_back(effect::Reload{});
}

void ViewEngine::on(const input::RecordFailed&) { reload(); }

void ViewEngine::write(Writing what, ViewRecord record) {
  effect::SaveRecord save{.record = record, .fresh = {}, .retired = {}};
  const auto stays = [&](const std::optional<ViewVersion>& version) {
    return (record.live && record.live->generation == version->generation) ||
           (record.building && record.building->generation == version->generation);
  };
  for (const std::optional<ViewVersion>* each : {&record_.live, &record_.building}) {
    if (*each && !stays(*each)) {
      save.retired.push_back(**each);
    }
  }
  if (record.building && record.building->generation >= record_.next) {
    save.fresh = record.building;
  }
  writing_ = what;
  next_record_ = std::move(record);
  effects_.emplace_back(std::move(save));
}

void ViewEngine::on(const input::RecordSaved&) {
  const Writing what = std::exchange(writing_, Writing::nothing);
  record_ = std::exchange(next_record_, {});
  switch (what) {
    case Writing::nothing:
      return;
    case Writing::beginning:
      start_versions();
      return;
    case Writing::rebuilding:
      counters_.rebuilds.add();
      building_.reset();
      for (const Waiter waiter : std::exchange(rebuilding_, {})) {
        effects_.emplace_back(effect::Reply{.waiter = waiter, .refusal = {}});
      }
      start_versions();
      return;
    case Writing::flipping:
      counters_.flips.add();
      live_ = std::move(building_);
      live_broken_.clear();
      serve({});
      forget_next();
      return;
    case Writing::forgetting:
      forgotten_.reset();
      forget_next();
      return;
  }
}

bool ViewEngine::may_flip() const {
  if (!building_) {
    return false;
  }
  if (planted_ == ViewFault::flip_early) {
    return !building_->is_saving() && (!live_ || !live_->is_saving());
  }
  if (!building_->failure().empty() || !building_->is_at_end()) {
    return false;
  }
  if (!live_) {
    return true;
  }
  return building_->position().covers(live_->position()) &&
         (!live_->is_saving() || planted_ == ViewFault::flip_while_saving);
}

// One change at a time. A version that goes must not save any more once it is gone: it ends its round before.
void ViewEngine::change_record() {
  if (writing_ != Writing::nothing) {
    return;
  }
  if (!rebuilding_.empty() && (!building_ || !building_->is_saving())) {
    if (building_) {
      building_->halt();
    }
    write(Writing::rebuilding, rebuild(record_, *wanted_));
  } else if (rebuilding_.empty() && may_flip()) {
    if (live_) {
      live_->halt();
    }
    write(Writing::flipping, flip(record_));
  } else if (forgotten_) {
    write(Writing::forgetting, without_doomed(record_, *forgotten_));
  }
}

void ViewEngine::on(const input::Rebuild& in) {
  if (!loaded_ || record_.doomed.size() >= kMaxDoomed) {
    effects_.emplace_back(
        effect::Reply{.waiter = in.waiter,
                      .refusal = loaded_ ? "rows of earlier versions are still being deleted; ask again later"
                                         : "it is still being read from the journal; ask again"});
    return;
  }
  rebuilding_.push_back(in.waiter);
}

void ViewEngine::forget_next() {
  if (forgetting_ || forgotten_ || record_.doomed.empty()) {
    return;
  }
  forgetting_ = true;
  const bool wrong = planted_ == ViewFault::forget_live && record_.live;
  effects_.emplace_back(effect::Forget{wrong ? record_.live->generation : record_.doomed.front()});
}

void ViewEngine::on(const input::Forgotten& in) {
  if (!std::exchange(forgetting_, false)) {
    return;
  }
  if (in.all && !record_.doomed.empty() && record_.doomed.front() == in.generation) {
    forgotten_ = in.generation;
  } else {
    forget_next();
  }
}

// Tells where reads go, whenever that or what they find has changed.
void ViewEngine::serve(std::vector<std::string> changed) {
  if (!record_.live) {
    return;
  }
  effect::Serve now{.generation = record_.live->generation,
                    .position = checkpoint_of(record_.live->generation).position,
                    .changed = std::move(changed),
                    .behind_since_ms = 0};
  if (live_) {
    now.position = live_->position();
    now.behind_since_ms = live_->behind_since_ms();
  }
  const bool same = served_ && served_->generation == now.generation && served_->position == now.position &&
                    served_->behind_since_ms == now.behind_since_ms && now.changed.empty();
  if (!same) {
    served_ = now;
    served_->changed.clear();
    effects_.emplace_back(std::move(now));
  }
}

}  // namespace flotilla::cqrs
