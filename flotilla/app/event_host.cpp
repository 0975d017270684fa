#include "flotilla/app/event_host.hpp"

#include "flotilla/base/log.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kForgetEvery = std::chrono::minutes(1);

}  // namespace

EventHost::EventHost(journal::Journal& journal, const std::vector<events::TopicPtr>& topics,
                     std::uint64_t seed)
    : journal_(journal),
      publisher_(journal),
      reader_(journal, metrics_),
      api_(topics_, publisher_, reader_, metrics_, seed),
      operator_api_(topics_, journal),
      subscriptions_(journal, seed),
      subscription_api_(subscriptions_) {
  replace_topics(topics);
}

void EventHost::replace_topics(const std::vector<events::TopicPtr>& topics) {
  topics_.replace(topics);
  for (const events::TopicPtr& topic : topics) {
    journal_.set_retention(journal::RecordClass::topic, topic->name,
                           std::chrono::duration_cast<Millis>(topic->retain));
  }
}

void EventHost::collect(telemetry::MetricsPage& page) const {
  constexpr telemetry::Family kForgotten{"flotilla_events_forgotten_total",
                                         "Events deleted because their topic's retention has passed."};
  page.counter(kForgotten, {}, forgotten_);
  metrics_.collect(page);
  subscriptions_.collect(page);
}

net::Task<> EventHost::tend_forever(net::Loop& loop) {
  for (;;) {
    co_await net::sleep_for(loop, kForgetEvery);
    journal::Reply<Result<std::int64_t>> reply;
    journal_.forget_periods(false, reply.send());
    const auto gone = co_await reply;
    if (gone) {
      forgotten_ += static_cast<std::uint64_t>(*gone);
    } else {
      log::error("old events stay in the journal for now: {}", gone.error().message);
    }
  }
}

}  // namespace flotilla::app
