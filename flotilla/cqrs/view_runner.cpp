#include "flotilla/cqrs/view_runner.hpp"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/reply.hpp"

namespace flotilla::cqrs {
namespace {

std::unexpected<Refusal> unknown(std::string_view name) {
  return refuse(Reason::not_found, fmt::format("the file names no view '{}'", name.substr(0, kMaxViewName)));
}

}  // namespace

ViewRunner::~ViewRunner() { stop(); }

void ViewRunner::start(const std::vector<ViewDefinitionPtr>& views, std::vector<net::Loop*> loops) {
  loops_ = std::move(loops);
  for (const ViewDefinitionPtr& each : views) {
    add(each);
  }
}

void ViewRunner::add(const ViewDefinitionPtr& definition) {
  // Always the same one for a name, so that what ends and what begins is in one hand.
  net::Loop* const loop = loops_[std::hash<std::string>{}(definition->name) % loops_.size()];
  auto part = std::make_shared<Part>();
  part->definition = definition;
  part->view = std::make_shared<View>(definition->name, home_shard(definition->name, journal_.shards()));
  part->loop = loop;
  // Named again after it had gone: the one before may still be ending.
  const auto before = std::ranges::find_if(
      gone_, [&](const PartPtr& each) { return each->view->name() == definition->name; });
  if (before != gone_.end()) {
    part = *before;
    gone_.erase(before);
    part->definition = definition;
  }
  {
    const std::lock_guard lock(mutex_);
    parts_.insert_or_assign(definition->name, part);
  }
  run_on(*loop, [this, &part, &definition] {
    if (part->tasks == nullptr) {
      part->tasks = std::make_unique<net::Scope>();
      part->tasks->spawn(tend(part.get()));
    }
    change(part, definition);
  });
}

void ViewRunner::replace(const std::vector<ViewDefinitionPtr>& views) {
  std::vector<ViewDefinitionPtr> fresh;
  std::vector<std::pair<PartPtr, ViewDefinitionPtr>> others;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string, PartPtr, std::less<>> kept;
    for (const ViewDefinitionPtr& each : views) {
      const auto found = parts_.find(each->name);
      if (found == parts_.end()) {
        fresh.push_back(each);
        continue;
      }
      const ViewDefinition& before = *found->second->definition;
      if (before.hash != each->hash || before.cache != each->cache) {
        found->second->definition = each;
        others.emplace_back(found->second, each);
      }
      kept.insert(parts_.extract(found));
    }
    for (const auto& [name, part] : parts_) {
      others.emplace_back(part, nullptr);
      gone_.push_back(part);
    }
    parts_ = std::move(kept);
  }
  for (auto& [part, next] : others) {
    run_on(*part->loop, [this, &part, &next] { change(part, next); });
  }
  for (const ViewDefinitionPtr& each : fresh) {
    add(each);
  }
}

void ViewRunner::change(const PartPtr& part, ViewDefinitionPtr next) {
  part->wanted = std::move(next);
  if (!std::exchange(part->changing, true)) {
    part->tasks->spawn(change_over(part.get()));
  }
}

// What the shell before is saving must be known before another one reads what is kept.
net::Task<> ViewRunner::change_over(Part* part) {
  if (part->shell) {
    co_await part->shell->drain(kNever);
    part->shell.reset();
  }
  part->follower.reset();
  part->changing = false;
  if (part->wanted) {
    begin(*part);
    note(*part);
  }
}

void ViewRunner::begin(Part& part) {
  if (const auto lease = journal_.ownership().lease(part.view->home())) {
    part.epoch = lease->epoch;
    part.shell = std::make_unique<ViewShell>(
        part.wanted, journal_, part.view, part.counters, part.copy_counters, redis_, *part.loop,
        ViewShell::Seat{.shard = part.view->home(), .epoch = lease->epoch});
    part.shell->start();
  } else {
    part.follower = std::make_unique<ViewFollower>(part.view->name(), journal_, part.view, *part.loop);
    part.follower->start();
  }
}

// Looks whether it is to run here, or elsewhere.
net::Task<> ViewRunner::tend(Part* part) {
  for (;;) {
    const auto lease = journal_.ownership().lease(part->view->home());
    const bool stays = part->shell ? lease && lease->epoch == part->epoch : !lease;
    if (part->wanted && !part->changing && !part->draining && !stays) {
      change(part->shared_from_this(), part->wanted);
    }
    note(*part);
    co_await net::sleep_for(*part->loop, kLook);
  }
}

bool ViewRunner::has_lease(const View& view) const {
  return is_alone() || journal_.ownership().lease(view.home()).has_value();
}

bool ViewRunner::runs(const View& view) const {
  if (is_alone()) {
    return true;
  }
  const ServingPtr serving = view.serving();
  const auto lease = journal_.ownership().lease(view.home());
  return serving != nullptr && lease && serving->epoch() == lease->epoch;
}

void ViewRunner::note(Part& part) {
  const ViewReport now = part.shell      ? part.shell->report()
                         : part.follower ? part.follower->report()
                                         : ViewReport{};
  const bool failed = (part.shell && !part.shell->failure().empty()) ||
                      (now.live && !now.live->failure.empty()) ||
                      (now.building && !now.building->failure.empty());
  part.rows = now.live ? now.live->checkpoint.rows : 0;
  part.built = now.building ? std::max<std::uint64_t>(now.building->position.total(), 1) : 0;
  part.failed = failed;
  part.copies = part.shell ? part.shell->copies() : CopyState::none;
  part.copies_pending = part.shell ? part.shell->copies_pending() : 0;
}

void ViewRunner::drain(Duration grace, std::function<void()> done) {
  const std::vector<PartPtr> all = parts();
  if (all.empty()) {
    done();
    return;
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(all.size());
  const auto finish = std::make_shared<std::function<void()>>(std::move(done));
  for (const PartPtr& part : all) {
    part->loop->post([part, grace, left, finish] {
      const auto drained = [](Part* of, Duration patience, auto last, auto call) -> net::Task<> {
        of->draining = true;
        if (of->shell) {
          co_await of->shell->drain(saturating_add(of->loop->now(), patience));
        }
        if (last->fetch_sub(1) == 1) {
          (*call)();
        }
      };
      if (part->tasks) {
        part->tasks->spawn(drained(part.get(), grace, left, finish));
      } else if (left->fetch_sub(1) == 1) {
        (*finish)();
      }
    });
  }
}

void ViewRunner::stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  std::vector<PartPtr> all = parts();
  std::ranges::copy(gone_, std::back_inserter(all));
  for (const PartPtr& part : all) {
    run_on(*part->loop, [&part] {
      part->tasks.reset();
      part->shell.reset();
      part->follower.reset();
    });
  }
  closed_ = true;
  while (users_ > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ViewRunner::run_on(net::Loop& loop, std::move_only_function<void()> function) {
  if (net::Loop::current() == &loop) {
    function();
    return;
  }
  std::promise<void> done;
  loop.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

ViewRunner::PartPtr ViewRunner::part_of(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = parts_.find(name);
  return found == parts_.end() ? nullptr : found->second;
}

std::vector<ViewRunner::PartPtr> ViewRunner::parts() const {
  const std::lock_guard lock(mutex_);
  std::vector<PartPtr> all;
  for (const auto& [name, part] : parts_) {
    all.push_back(part);
  }
  return all;
}

ViewPtr ViewRunner::find(std::string_view name) const {
  const PartPtr part = part_of(name);
  return part == nullptr ? nullptr : part->view;
}

void ViewRunner::expire(std::string_view name, input::Expire expire) const {
  const PartPtr part = part_of(name);
  if (part != nullptr) {
    part->loop->post([part, expire = std::move(expire)]() mutable {
      if (part->shell) {
        part->shell->expire(std::move(expire));
      }
    });
  }
}

ViewRunner::Gauges ViewRunner::gauges_of(std::string_view name) const {
  const PartPtr part = part_of(name);
  return part == nullptr ? Gauges{}
                         : Gauges{.rows = part->rows, .building = part->built != 0, .failed = part->failed};
}

net::Task<ViewStatus> ViewRunner::status(PartPtr part) {
  ViewStatus out;
  {
    const std::lock_guard lock(mutex_);
    out.definition = part->definition;
  }
  journal::Reply<ViewStatus> reply;
  part->loop->post([part, out, done = reply.send()]() mutable {
    if (part->shell) {
      out.report = part->shell->report();
      out.failure = part->shell->failure();
      out.copies = part->shell->copies();
      out.copies_pending = part->shell->copies_pending();
    } else if (part->follower) {
      out.report = part->follower->report();
    }
    done(std::move(out));
  });
  out = co_await reply;
  out.here = journal_.ownership().lease(part->view->home()).has_value();
  out.journal = end();
  if (const ServingPtr serving = part->view->serving()) {
    out.behind_since_ms = serving->behind_since_ms();
    out.memory = serving->bytes();
  }
  co_return out;
}

journal::ReadToken ViewRunner::end() const {
  journal::ReadToken token(journal_.shards());
  for (std::uint32_t shard = 0; shard < token.shards(); ++shard) {
    token.move_to(journal_.position(shard));
  }
  return token;
}

net::Task<std::vector<ViewStatus>> ViewRunner::list() {
  std::vector<ViewStatus> all;
  for (const PartPtr& part : parts()) {
    all.push_back(co_await status(part));
  }
  co_return all;
}

net::Task<Asked<ViewStatus>> ViewRunner::show(std::string name) {
  const PartPtr part = part_of(name);
  if (part == nullptr) {
    co_return unknown(name);
  }
  co_return co_await status(part);
}

net::Task<Asked<ViewStatus>> ViewRunner::rebuild(std::string name, std::string who) {
  const PartPtr part = part_of(name);
  if (part == nullptr) {
    co_return unknown(name);
  }
  if (!journal_.ownership().lease(part->view->home())) {
    const auto owner = journal_.ownership().owner_address(part->view->home());
    co_return refuse(Reason::store_unavailable,
                     fmt::format("another process runs view {}: ask that one{}", name,
                                 owner ? fmt::format(", whose application API is {}", *owner) : ""),
                     std::chrono::seconds(1));
  }
  // Answers when whatever holds it goes before it was called.
  class Answering {
   public:
    explicit Answering(journal::Done<std::string> done) : done_(std::move(done)) {}
    Answering(Answering&&) noexcept = default;
    Answering& operator=(Answering&&) = delete;
    ~Answering() {
      if (done_) {
        done_("it is being replaced; ask again");
      }
    }
    void give(std::string refusal) { std::exchange(done_, nullptr)(std::move(refusal)); }

   private:
    journal::Done<std::string> done_;
  };
  journal::Reply<std::string> reply;
  part->loop->post([part, answering = Answering(reply.send())]() mutable {
    if (part->shell) {
      part->shell->spawn([](ViewShell& shell, Answering to) -> net::Task<> {
        to.give(co_await shell.rebuild());
      }(*part->shell, std::move(answering)));
    }
  });
  if (std::string refusal = co_await reply; !refusal.empty()) {
    co_return refuse(Reason::conflict, std::move(refusal));
  }
  log::info("view {}: rebuild asked for by {}", name, who.empty() ? "an operator" : who);
  co_return co_await status(part);
}

}  // namespace flotilla::cqrs
