#include "flotilla/app/event_host.hpp"

#include "flotilla/base/log.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kCountEvery = std::chrono::seconds(5);
constexpr int kForgetEvery = 12;  // countings

}  // namespace

EventHost::EventHost(journal::Journal& journal, const std::vector<events::TopicPtr>& topics,
                     std::uint64_t seed)
    : journal_(journal),
      publisher_(journal),
      reader_(journal, metrics_),
      api_(topics_, publisher_, reader_, metrics_, seed),
      operator_api_(topics_, journal),
      subscriptions_(journal, seed),
      dead_letters_(journal, subscriptions_),
      subscription_api_(subscriptions_, dead_letters_) {
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
  dead_letters_.collect(page);
}

net::Task<> EventHost::tend_forever(net::Loop& loop) {
  for (int countings = 0;;) {
    co_await net::sleep_for(loop, kCountEvery);
    co_await sweep_dead_letters();
    if (++countings % kForgetEvery == 0) {
      co_await forget_periods();
    }
  }
}

net::Task<> EventHost::sweep_dead_letters() {
  const auto swept = co_await dead_letters_.sweep(net::wall_now());
  std::string trouble = swept ? std::string() : swept.error().message;
  if (!trouble.empty() && trouble != trouble_) {
    log::error("dead letters are not counted, and settled ones stay in the journal, for now: {}", trouble);
  }
  trouble_ = std::move(trouble);
}

net::Task<> EventHost::forget_periods() {
  journal::Reply<Result<std::int64_t>> reply;
  journal_.forget_periods(false, reply.send());
  const auto gone = co_await reply;
  if (gone) {
    forgotten_ += static_cast<std::uint64_t>(*gone);
  } else {
    log::error("old events stay in the journal for now: {}", gone.error().message);
  }
}

}  // namespace flotilla::app
