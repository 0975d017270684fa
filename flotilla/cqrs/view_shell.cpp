#include "flotilla/cqrs/view_shell.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/cqrs/refusal.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::cqrs {
namespace {

using journal::RecordClass;

constexpr Duration kReloadPause = std::chrono::seconds(1);
// Between attempts to append what the store did not take, and surely has not kept.
constexpr Duration kAppendAgain = std::chrono::milliseconds(500);
// Between two steps of deleting rows: nobody waits for that.
constexpr Duration kForgetPause = std::chrono::milliseconds(5);
constexpr Duration kRebuildWait = std::chrono::seconds(10);

bool surely_not_kept(const journal::AppendError& error) {
  const auto* const store = std::get_if<journal::StoreUnavailable>(&error);
  return std::holds_alternative<journal::Overloaded>(error) ||
         (store != nullptr && store->effect == Effect::none);
}

// No topic has such a name, so the record holds nothing back from being forgotten.
std::string record_category(const std::string& view) { return record_cursor(view); }

}  // namespace

struct ViewShell::Asking {
  std::string refusal;
  bool answered = false;
  net::Event changed;
};

ViewShell::ViewShell(ViewDefinitionPtr definition, journal::Journal& journal, ViewPtr view,
                     ViewCounters& counters, CopyCounters& copy_counters,
                     const std::optional<RedisAddress>& redis, net::Loop& loop, Seat seat)
    : definition_(std::move(definition)),
      journal_(journal),
      view_(std::move(view)),
      counters_(counters),
      loop_(loop),
      seat_(seat),
      engine_(std::make_unique<ViewEngine>(definition_, ProjectionLimits{}, counters_, journal_.shards())),
      door_(std::make_shared<Door>()) {
  if (redis && definition_->cache > Duration::zero()) {
    copier_ = std::make_unique<ViewCopier>(definition_->name, definition_->cache, *redis, journal_, view_,
                                           copy_counters, loop, seat);
  }
  door_->loop = &loop;
  door_->shell = this;
  view_->on_wanted([door = door_] {
    if (!door->wanted.exchange(true)) {
      door->loop->post([door] {
        door->wanted = false;
        if (door->shell != nullptr) {
          door->shell->look_again();
        }
      });
    }
  });
}

ViewShell::~ViewShell() {
  door_->shell = nullptr;
  view_->on_wanted({});
  tasks_.cancel_all();
}

void ViewShell::start() { tasks_.spawn(load(Duration::zero())); }

// Effects may lead to further inputs at once; those wait until the effects before them were carried out.
void ViewShell::feed(ViewInput input) {
  inputs_.push_back(std::move(input));
  if (feeding_) {
    return;
  }
  feeding_ = true;
  while (!inputs_.empty()) {
    ViewInput next = std::move(inputs_.front());
    inputs_.pop_front();
    ViewEffects effects = engine_->step(std::move(next));
    for (ViewEffect& effect : effects) {
      std::visit([this](auto& each) { carry_out(each); }, effect);
    }
  }
  feeding_ = false;
}

void ViewShell::fail_for_good(std::string why) {
  log::error("view {}: stopped: {}", definition_->name, why);
  failure_ = std::move(why);
  view_->say(failure_);
  stopped_ = true;
}

net::Task<Result<input::Load>> ViewShell::saved() {
  input::Load load;
  auto record = co_await journal_.cursor(record_cursor(definition_->name));
  if (!record) {
    co_return std::unexpected(std::move(record.error()));
  }
  if (!*record) {
    co_return load;
  }
  auto decoded = decode_view_record((*record)->state);
  if (!decoded) {
    co_return std::unexpected(std::move(decoded.error()));
  }
  load.record = std::move(*decoded);
  for (const std::optional<ViewVersion>* each : {&load.record->live, &load.record->building}) {
    if (!*each) {
      continue;
    }
    const ViewVersion& version = **each;
    auto cursor = co_await journal_.cursor(
        checkpoint_cursor(definition_->name, version.generation, version.texts.from.front()));
    if (!cursor) {
      co_return std::unexpected(std::move(cursor.error()));
    }
    if (*cursor) {
      const auto checkpoint = decode_checkpoint((*cursor)->position, (*cursor)->state, journal_.shards());
      if (!checkpoint) {
        co_return std::unexpected(checkpoint.error());
      }
      load.checkpoints.emplace(version.generation, *checkpoint);
    }
  }
  co_return load;
}

net::Task<> ViewShell::load(Duration pause) {
  for (bool told = false;;) {
    if (pause > Duration::zero()) {
      co_await net::sleep_for(loop_, pause);
    }
    while (saving_ > 0) {  // what an engine before began may still come to be
      co_await idle_.wait();
    }
    if (stopped_ || draining_) {
      co_return;
    }
    auto kept = co_await saved();
    if (stopped_ || draining_) {
      co_return;
    }
    if (kept) {
      begin_engine();
      for (const auto& [generation, checkpoint] : kept->checkpoints) {
        saved_.emplace(generation, checkpoint.position);
      }
      feed(std::move(*kept));
      co_return;
    }
    if (!passes(kept.error())) {
      fail_for_good(std::move(kept.error().message));
      co_return;
    }
    if (!std::exchange(told, true)) {
      log::error("view {}: cannot be read yet: {}", definition_->name, kept.error().message);
    }
    pause = kReloadPause;
  }
}

void ViewShell::begin_engine() {
  ++life_;
  begins_ = true;
  readings_.clear();
  saved_.clear();
  view_->say({});
  engine_ = std::make_unique<ViewEngine>(definition_, ProjectionLimits{}, counters_, journal_.shards());
}

void ViewShell::carry_out(effect::Fetch& fetch) {
  readings_[fetch.generation].fetch = fetch.fetch;
  tasks_.spawn(this->fetch(std::move(fetch)));
}

void ViewShell::look_again() {
  for (auto& [generation, reading] : readings_) {
    reading.asked = true;
    if (reading.bell != nullptr) {
      reading.bell->ring();
    }
  }
}

void ViewShell::carry_out(effect::LoadRows& load) { tasks_.spawn(load_rows(std::move(load))); }

net::Task<> ViewShell::load_rows(effect::LoadRows load) {
  const std::uint64_t life = life_;
  const std::uint64_t table = rows_table(definition_->name, load.generation);
  for (bool told = false; !is_over(life);) {
    auto values = co_await journal_.rows(journal::RowsByName{.table = table, .names = load.names});
    if (is_over(life)) {
      co_return;
    }
    if (values) {
      feed(input::Rows{.generation = load.generation, .load = load.load, .values = std::move(*values)});
      co_return;
    }
    if (!passes(values.error())) {
      fail_for_good(std::move(values.error().message));
      co_return;
    }
    if (!std::exchange(told, true)) {
      log::error("view {}: its rows cannot be read yet: {}", definition_->name, values.error().message);
    }
    co_await net::sleep_for(loop_, kReloadPause);
  }
}

journal::Batch ViewShell::batch() const {
  journal::Batch made;
  made.shard = seat_.shard;
  made.epoch = seat_.epoch;
  made.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  return made;
}

void ViewShell::carry_out(effect::Save& save) {
  journal::Batch made = batch();
  const std::uint64_t table = rows_table(definition_->name, save.generation);
  for (auto& [name, value] : save.rows) {
    made.rows.push_back({.table = table, .name = std::move(name), .value = std::move(value)});
  }
  // The first has all of it; the others hold back the forgetting of what is not folded.
  journal::ReadToken& saved =
      saved_.try_emplace(save.generation, journal::ReadToken(journal_.shards())).first->second;
  for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
    const journal::Position position = save.checkpoint.position.at(shard);
    if (shard > 0 && position == saved.at(shard)) {
      continue;
    }
    for (const std::string& topic : save.topics) {
      made.cursors.push_back({.name = checkpoint_cursor(definition_->name, save.generation, topic, shard),
                              .record_class = RecordClass::topic,
                              .category = topic,
                              .position = position,
                              .state = shard == 0 ? encode(save.checkpoint) : std::string()});
    }
  }
  saved = save.checkpoint.position;  // where it fails, everything is read anew
  tasks_.spawn(append(std::move(made), input::Saved{save.generation}, input::SaveFailed{save.generation}));
}

void ViewShell::carry_out(effect::SaveRecord& save) {
  journal::Batch made = batch();
  const std::string& name = definition_->name;
  made.cursors.push_back({.name = record_cursor(name),
                          .record_class = RecordClass::topic,
                          .category = record_category(name),
                          .position = {},
                          .state = encode(save.record)});
  if (save.fresh) {
    const std::string nothing = encode(Checkpoint{.position = journal::ReadToken(journal_.shards())});
    for (const std::string& topic : save.fresh->texts.from) {
      for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
        made.cursors.push_back({.name = checkpoint_cursor(name, save.fresh->generation, topic, shard),
                                .record_class = RecordClass::topic,
                                .category = topic,
                                .position = journal::Position(0, shard),
                                .state = shard == 0 ? nothing : std::string()});
      }
    }
  }
  for (const ViewVersion& retired : save.retired) {
    for (const std::string& topic : retired.texts.from) {
      for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
        made.removed_cursors.push_back(checkpoint_cursor(name, retired.generation, topic, shard));
      }
    }
  }
  if (save.fresh) {
    log::info("view {}: version {} is being built", name, save.fresh->generation);
  }
  tasks_.spawn(append(std::move(made), input::RecordSaved{}, input::RecordFailed{}));
}

net::Task<> ViewShell::append(journal::Batch batch, ViewInput saved, ViewInput failed) {
  const std::uint64_t life = life_;
  ++saving_;
  const auto finish = [&](ViewInput& input) {
    --saving_;
    idle_.set();
    if (!is_over(life)) {
      feed(std::move(input));
    }
  };
  for (;;) {
    const auto done = co_await journal_.append(batch);
    if (done) {
      finish(saved);
      co_return;
    }
    if (std::holds_alternative<journal::StaleEpoch>(done.error())) {
      if (journal_.shards() > 1) {  // another process goes on; the runner lets go of this
        log::info("view {}: another process runs it", definition_->name);
        stopped_ = true;
      } else {
        fail_for_good(describe(done.error()));
      }
      finish(failed);
      co_return;
    }
    log::warning("view {}: the journal did not take its rows: {}", definition_->name, describe(done.error()));
    if (!surely_not_kept(done.error()) || is_over(life)) {
      finish(failed);
      co_return;
    }
    co_await net::sleep_for(loop_, kAppendAgain);
  }
}

void ViewShell::carry_out(const effect::Forget& forget) { tasks_.spawn(this->forget(forget)); }

net::Task<> ViewShell::forget(effect::Forget forget) {
  const std::uint64_t life = life_;
  Duration pause = kForgetPause;
  for (;;) {
    co_await net::sleep_for(loop_, pause);
    if (is_over(life)) {
      co_return;
    }
    journal::Reply<Result<std::int64_t>> reply;
    journal_.forget_rows(rows_table(definition_->name, forget.generation), reply.send());
    const auto gone = co_await reply;
    if (is_over(life)) {
      co_return;
    }
    if (gone) {
      feed(input::Forgotten{.generation = forget.generation, .all = *gone == 0});
      co_return;
    }
    pause = kReloadPause;
  }
}

void ViewShell::carry_out(const effect::Serve& serve) {
  const ViewReport now = engine_->report();
  FLOTILLA_ASSERT(now.live && now.live->version.generation == serve.generation);
  const ServingPtr before = view_->serving();
  if (before == nullptr || before->generation() != serve.generation) {
    log::info("view {}: version {} is read from now on, at position {}", definition_->name, serve.generation,
              serve.position.text());
    view_->say({});
  }
  const bool begins = std::exchange(begins_, false);
  view_->publish(serve, now.live->version, {.begins = begins, .epoch = seat_.epoch});
  view_->looked(loop_.now());  // whoever waited for a follower
  if (copier_) {
    copier_->served(serve, begins);
  }
}

void ViewShell::carry_out(const effect::Failed& failed) {
  log::error("view {}: version {} stops: {}", definition_->name, failed.generation, failed.why);
  view_->say(failed.why);
}

void ViewShell::carry_out(const effect::Reload&) {
  log::warning("view {}: it is not known whether its rows were saved, so it begins anew from what is kept",
               definition_->name);
  ++life_;
  tasks_.spawn(load(kReloadPause));
}

void ViewShell::carry_out(effect::Reply& reply) {
  const auto found = asking_.find(reply.waiter);
  if (found != asking_.end()) {
    found->second->refusal = std::move(reply.refusal);
    found->second->answered = true;
    found->second->changed.set();
  }
}

net::Task<std::string> ViewShell::rebuild() {
  if (stopped_ || draining_) {
    co_return failure_.empty() ? "it stops" : failure_;
  }
  Asking asking;
  const Waiter waiter = next_waiter_++;
  asking_.emplace(waiter, &asking);
  const auto forget = [this, waiter](void*) { asking_.erase(waiter); };
  const std::unique_ptr<void, decltype(forget)> forgetting(this, forget);
  feed(input::Rebuild{waiter});
  const Instant deadline = saturating_add(loop_.now(), kRebuildWait);
  while (!asking.answered) {
    if (!co_await asking.changed.wait(deadline)) {
      co_return "it has not begun yet, because the journal does not answer; look again later";
    }
  }
  co_return std::move(asking.refusal);
}

net::Task<> ViewShell::drain(Instant deadline) {
  draining_ = true;
  while (saving_ > 0 && loop_.now() < deadline) {
    co_await idle_.wait(deadline);
  }
  if (copier_) {
    co_await copier_->drain(deadline);
  }
}

}  // namespace flotilla::cqrs
