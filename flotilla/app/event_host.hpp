// Topics in the running program: over the journal that SagaHost opened, their doors and their upkeep.
//
// For: platform.hpp. Ownership: owns what it is made of; the journal outlives it. Threads: the control
// thread. Limits: those of events/api.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/events/api.hpp"
#include "flotilla/events/dead_letters.hpp"
#include "flotilla/events/operator_api.hpp"
#include "flotilla/events/subscription_api.hpp"
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::app {

class EventHost {
 public:
  EventHost(journal::Journal& journal, const std::vector<events::TopicPtr>& topics, std::uint64_t seed);

  // Those of the file, from now on.
  void replace_topics(const std::vector<events::TopicPtr>& topics);

  [[nodiscard]] events::Api& api() noexcept { return api_; }
  [[nodiscard]] events::OperatorApi& operator_api() noexcept { return operator_api_; }
  // They run once it was started, until this is destroyed, while the workers' loops still run.
  [[nodiscard]] events::SubscriptionRunner& subscriptions() noexcept { return subscriptions_; }
  [[nodiscard]] events::SubscriptionApi& subscription_api() noexcept { return subscription_api_; }
  void collect(telemetry::MetricsPage& page) const;
  // Counts dead letters, and forgets, now and then, what has been kept long enough.
  [[nodiscard]] net::Task<> tend_forever(net::Loop& loop);

 private:
  [[nodiscard]] net::Task<> sweep_dead_letters();
  [[nodiscard]] net::Task<> forget_periods();

  journal::Journal& journal_;
  events::TopicTable topics_;
  events::EventMetrics metrics_;
  events::Publisher publisher_;
  events::TopicReader reader_;
  events::Api api_;
  events::OperatorApi operator_api_;
  events::SubscriptionRunner subscriptions_;
  events::DeadLetters dead_letters_;
  events::SubscriptionApi subscription_api_;
  std::uint64_t forgotten_ = 0;  // events
  std::string trouble_;          // with dead letters, that was logged last
};

}  // namespace flotilla::app
