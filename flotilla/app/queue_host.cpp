#include "flotilla/app/queue_host.hpp"

#include <algorithm>

#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kForgetEvery = std::chrono::minutes(1);
constexpr Duration kPause = std::chrono::milliseconds(20);  // between two pieces: others append too

}  // namespace

std::vector<events::QueuePtr> queues_of(const ConfigFile& file) {
  std::vector<events::QueuePtr> all;
  for (const call::ServiceConfig& service : file.services) {
    for (const call::Fallback& fallback : service.fallbacks) {
      if (const auto* const queue = std::get_if<call::QueueFallback>(&fallback)) {
        all.push_back(events::make_queue(service.name, *queue));
      }
    }
  }
  return all;
}

net::Task<> QueueHost::warn_of_strangers(const std::vector<events::QueuePtr>& known) {
  const auto counts = co_await journal_.count(
      journal::CountQuery{.record_class = journal::RecordClass::queue,
                          .name = {},
                          .state = std::string(to_string(events::QueueState::pending))});
  if (!counts) {
    co_return;  // what is wrong with the journal shows in its health
  }
  for (const journal::StateCount& each : *counts) {
    if (std::ranges::none_of(known,
                             [&](const events::QueuePtr& queue) { return queue->name() == each.name; })) {
      log::warning("{} calls wait in queue {}, which the file does not name: nothing carries them out",
                   each.count, each.name);
    }
  }
}

net::Task<> QueueHost::tend_forever(net::Loop& loop, std::vector<events::QueuePtr> known) {
  co_await net::sleep_for(loop, kPause);  // until the loop runs
  co_await warn_of_strangers(known);
  for (;;) {
    co_await net::sleep_for(loop, kForgetEvery);
    for (std::size_t gone = 1; gone > 0;) {
      const auto forgotten = co_await runner_.forget(net::wall_now());
      if (!forgotten) {
        log::error("old results of queues stay in the journal for now: {}", forgotten.error().message);
      }
      gone = forgotten.value_or(0);
      co_await net::sleep_for(loop, kPause);
    }
  }
}

}  // namespace flotilla::app
