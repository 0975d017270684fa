// How the running platform changes and ends: reload, which swaps everything or nothing, drain, readiness.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/app/platform.hpp"
#include "flotilla/app/topic_config.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

std::string joined(const ConfigErrors& errors) {
  std::string all;
  for (const std::string& line : errors) {
    all += (all.empty() ? "" : "\n") + line;
  }
  return all;
}

// Why the running process cannot go over from `before` to `after`; empty: it can. `sagas`: null without a
// journal.
std::string needs_restart(const ConfigFile& before, const ConfigFile& after, const SagaHost* sagas) {
  const auto listens = [](const auto& control) {
    return control
               ? fmt::format("{}\n{}\n{}", control->listen, control->token, fmt::join(control->hosts, " "))
               : "";
  };
  const auto advertises = [](const auto& api) { return api ? api->advertise : std::string(); };
  if (listens(after.admin) != listens(before.admin) || advertises(after.api) != advertises(before.api) ||
      listens(after.api) != listens(before.api) || listens(after.registry) != listens(before.registry) ||
      after.workers != before.workers || after.telemetry.access_log != before.telemetry.access_log) {
    return "admin, api, registry, workers and the access log cannot change while running; restart for that";
  }
  const std::string journal = journal_path(after);
  if (journal.empty()) {
    return {};
  }
  if (sagas == nullptr) {
    return "the first sagas, topics, queues, views or aggregates need a journal, which is opened at the "
           "start; "
           "restart";
  }
  if (journal != sagas->path() || after.stores.archive != before.stores.archive ||
      after.stores.views != before.stores.views || after.stores.kafka != before.stores.kafka) {
    return "stores cannot change while running; restart for that";
  }
  return {};
}

}  // namespace

Result<> Platform::reload() {
  const auto failed = [this](std::string message) -> Result<> {
    ++failed_reloads_;
    log::error("reload refused, nothing changed: {}", message);
    return fail(Errc::invalid, std::move(message));
  };
  auto file = load_config(path_);
  if (!file) {
    return failed(joined(file.error()));
  }
  if (const std::string why = needs_restart(runtime_->file, *file, sagas_.get()); !why.empty()) {
    return failed(fmt::format("{}: {}", path_, why));
  }
  auto runtime = compile_runtime(std::move(*file), runtime_->workers, loop_->now(),
                                 static_cast<std::uint64_t>(net::wall_now().ns_since_epoch), runtime_.get());
  if (!runtime) {
    return failed(runtime.error().message);
  }
  if (auto locked = lock_addresses((*runtime)->file); !locked) {
    return failed(locked.error().message);
  }
  const auto take_back = [this] {
    for (const auto& worker : workers_) {
      worker->commit(runtime_);  // closes what was opened
    }
  };
  for (const auto& worker : workers_) {
    if (auto prepared = worker->prepare(*runtime); !prepared) {
      take_back();
      return failed(prepared.error().message);
    }
  }
  if (sagas_) {
    if (auto replaced = sagas_->runner().replace_definitions((*runtime)->file.sagas); !replaced) {
      take_back();
      return failed(fmt::format("{}: {}", path_, replaced.error().message));
    }
    sagas_->replace_definitions((*runtime)->file.sagas);
    events_->replace_topics((*runtime)->file.topics);
    events_->set_readers(views_of_topics((*runtime)->file), (*runtime)->file.personal);
    views_->runner().replace((*runtime)->file.views);
    commands_->replace((*runtime)->file);
    choreographies_->replace((*runtime)->file);
  }
  for (const auto& worker : workers_) {
    worker->commit(*runtime);
  }
  if (events_) {
    events_->replace_subscriptions((*runtime)->file.subscriptions);
  }
  if (kafka_) {
    kafka_->replace((*runtime)->file.topics);
  }
  if (queues_) {
    queues_->runner().replace(queues_of((*runtime)->file));
  }
  runtime_ = std::move(*runtime);
  follow_instances();
  ++reloads_;
  log::info("reloaded {}", path_);
  return {};
}

net::Task<> Platform::drain(Duration grace) {
  std::size_t left = workers_.size();
  net::Event drained;
  const auto one_less = [this, &left, &drained] {
    loop_->post([&left, &drained] {
      --left;
      drained.set();
    });
  };
  if (sagas_ && !store_failed_) {  // else there is nothing that could still be recorded
    left += 6;
    commands_->runner().drain(grace, one_less);
    queues_->runner().drain(grace, one_less);
    views_->runner().drain(grace, one_less);
    choreographies_->drain(grace, one_less);
    events_->subscriptions().drain(grace, one_less);
    sagas_->runner().drain(grace, one_less);
    if (kafka_) {
      ++left;
      kafka_->drain(grace, one_less);
    }
  }
  for (const auto& worker : workers_) {
    worker->begin_drain(grace, one_less);
  }
  while (left > 0) {
    co_await drained.wait();
  }
  loop_->stop();
}

// After a failed sync nothing that the kernel says of the file can be trusted: the next process begins by
// reading the log anew. Until this one ends, whoever needs the store is told 503 store-unavailable.
net::Task<> Platform::give_up() {
  log::error(
      "this process ends, with {}, for its supervisor to start it anew: within {} s, requests in "
      "flight are answered",
      kStoreFailed, (kFailedNotice + kFailedGrace) / std::chrono::seconds(1));
  co_await net::sleep_for(*loop_, kFailedNotice);
  if (!std::exchange(draining_, true)) {
    co_await drain(kFailedGrace);
  }
}

Result<> Platform::ready() {
  // Listeners are open before run(): what answers here is ready, unless it is leaving.
  if (sagas_ && sagas_->health().state == journal::Health::State::failed) {
    return fail(Errc::unavailable, "the journal has failed: " + sagas_->health().reason);
  }
  if (draining_) {
    return fail(Errc::unavailable, "draining");
  }
  return {};
}

}  // namespace flotilla::app
