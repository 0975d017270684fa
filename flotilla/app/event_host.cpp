#include "flotilla/app/event_host.hpp"

#include <algorithm>
#include <utility>

#include "flotilla/base/log.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/events/topic_keeper.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kLook = std::chrono::seconds(1);
constexpr int kCountEvery = 5;    // looks
constexpr int kForgetEvery = 60;  // looks

}  // namespace

EventHost::EventHost(journal::Journal& journal, const std::vector<events::TopicPtr>& topics,
                     std::uint64_t seed)
    : journal_(journal),
      publisher_(journal),
      reader_(journal, metrics_),
      api_(topics_, publisher_, reader_, metrics_, seed),
      operator_api_(topics_, journal),
      erasure_(journal, publisher_, seed),
      subject_api_(erasure_),
      subscriptions_(journal, seed),
      dead_letters_(journal, subscriptions_),
      declared_(journal, subscriptions_),
      subscription_api_(subscriptions_, dead_letters_, declared_),
      keeper_(std::make_unique<events::TopicKeeper>(journal)) {
  replace_topics(topics);
}

EventHost::~EventHost() = default;

void EventHost::replace_topics(const std::vector<events::TopicPtr>& topics) {
  file_topics_ = topics;
  topics_.replace(topics);
  keeper_->set_topics(topics);
  for (const events::TopicPtr& topic : topics) {
    journal_.set_retention(journal::RecordClass::topic, topic->name,
                           std::chrono::duration_cast<Millis>(topic->retain));
  }
}

void EventHost::set_readers(std::vector<events::TopicUse> readers, journal::KeyVault::Policies personal) {
  readers_ = std::move(readers);
  personal_ = std::move(personal);
  (void)merge();
}

void EventHost::follow(const std::vector<events::SubscriptionPtr>& subscriptions) {
  std::vector<events::TopicUse> uses = readers_;
  std::vector<events::DerivedTopic> derived;
  for (const events::SubscriptionPtr& each : subscriptions) {
    const events::SubscriptionPolicy& policy = each->policy;
    uses.push_back({.topic = policy.topic, .user = "subscription " + policy.name});
    for (const std::string& to : {policy.dead_letter, policy.on_success, policy.on_failure}) {
      derived.push_back({.from = policy.topic, .to = to});
    }
  }
  operator_api_.removal().set_uses(std::move(uses));
  erasure_.set_personal(events::personal_topics(personal_, derived));
}

net::Task<> EventHost::tend_deletions() {
  const auto tended = co_await operator_api_.removal().tend();
  std::string trouble = tended ? std::string() : tended.error().message;
  if (!trouble.empty() && trouble != deletion_trouble_) {
    log::error("topics that were deleted keep some of their events for now: {}", trouble);
  }
  deletion_trouble_ = std::move(trouble);
}

net::Task<> EventHost::keep_topics() {
  const auto tended = co_await keeper_->tend(net::wall_now());
  std::string trouble = tended ? std::string() : tended.error().message;
  if (!trouble.empty() && trouble != keeper_trouble_) {
    log::error("topics keep more than they should for now: {}", trouble);
  }
  keeper_trouble_ = std::move(trouble);
}

void EventHost::collect(telemetry::MetricsPage& page) const {
  constexpr telemetry::Family kForgotten{"flotilla_events_forgotten_total",
                                         "Events deleted because their topic's retention has passed."};
  page.counter(kForgotten, {}, forgotten_);
  metrics_.collect(page);
  subscriptions_.collect(page);
  dead_letters_.collect(page);
  erasure_.collect(page);
  keeper_->collect(page);
}

net::Task<> EventHost::tend_forever(net::Loop& loop) {
  for (int looks = 1;; ++looks) {
    co_await net::sleep_for(loop, kLook);
    co_await tend_declared();
    co_await keep_topics();
    if (looks % kCountEvery == 0) {
      co_await sweep_dead_letters();
      co_await tend_deletions();
    }
    if (looks % kForgetEvery == 0) {
      co_await forget_periods();
    }
  }
}

net::Task<> EventHost::tend_declared() {
  const auto tended = co_await declared_.tend();
  std::string trouble = tended ? std::string() : tended.error().message;
  if (!trouble.empty() && trouble != declared_trouble_) {
    log::error("what is declared or forgotten of subscriptions is not followed for now: {}", trouble);
  }
  declared_trouble_ = std::move(trouble);
}

Result<> EventHost::start_subscriptions(const std::vector<events::SubscriptionPtr>& file,
                                        std::vector<events::DeliveryHost> hosts,
                                        std::function<bool(const ServiceName&)> has_service) {
  file_subscriptions_ = file;
  declared_.set({.has_service = std::move(has_service),
                 .in_file = [this](const std::string& name) { return in_file(name); },
                 .file_count = [this] { return file_subscriptions_.size(); },
                 .changed = [this] { subscriptions_.replace(merge()); }});
  if (auto loaded = declared_.load(); !loaded) {
    return loaded;
  }
  subscriptions_.start(merge(), std::move(hosts));
  return {};
}

void EventHost::replace_subscriptions(const std::vector<events::SubscriptionPtr>& file) {
  file_subscriptions_ = file;
  subscriptions_.replace(merge());
}

bool EventHost::in_file(const std::string& name) const {
  return std::ranges::any_of(file_subscriptions_,
                             [&](const auto& each) { return each->policy.name == name; });
}

std::vector<events::SubscriptionPtr> EventHost::merge() {
  std::vector<events::SubscriptionPtr> all = file_subscriptions_;
  std::vector<events::TopicPtr> topics = file_topics_;  // the first of a name is the one
  for (const events::SubscriptionPtr& each : declared_.all()) {
    const events::SubscriptionPolicy& policy = each->policy;
    if (in_file(policy.name)) {
      log::warning("subscription {}: the file's runs, and the one that was declared at run time rests",
                   policy.name);
      continue;
    }
    all.push_back(each);
    for (const std::string& topic :
         {policy.topic, policy.dead_letter, policy.on_success, policy.on_failure}) {
      if (!topic.empty()) {
        topics.push_back(events::default_topic(topic));
      }
    }
  }
  topics_.replace(topics);
  follow(all);
  running_ = all;
  return all;
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
