// Topics and subscriptions in the running program: over the journal that SagaHost opened, their doors and
// their upkeep.
//
// For: platform.hpp. Ownership: owns what it is made of; the journal outlives it. Threads: the control
// thread. Limits: those of events/api.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/api.hpp"
#include "flotilla/events/dead_letters.hpp"
#include "flotilla/events/declared_subscriptions.hpp"
#include "flotilla/events/erasure.hpp"
#include "flotilla/events/operator_api.hpp"
#include "flotilla/events/subject_api.hpp"
#include "flotilla/events/subscription_api.hpp"
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {
class TopicKeeper;
}  // namespace flotilla::events

namespace flotilla::app {

class EventHost {
 public:
  EventHost(journal::Journal& journal, const std::vector<events::TopicPtr>& topics, std::uint64_t seed);
  ~EventHost();

  // Those of the file, from now on.
  void replace_topics(const std::vector<events::TopicPtr>& topics);

  // Who reads topics beside subscriptions, and what the file says is personal, from now on.
  void set_readers(std::vector<events::TopicUse> readers, journal::KeyVault::Policies personal);
  [[nodiscard]] events::Erasure& erasure() noexcept { return erasure_; }
  [[nodiscard]] events::SubjectApi& subject_api() noexcept { return subject_api_; }

  [[nodiscard]] events::Api& api() noexcept { return api_; }
  [[nodiscard]] events::OperatorApi& operator_api() noexcept { return operator_api_; }
  // Runs those of the file and those that were declared at run time, until this is destroyed, while the
  // workers' loops still run. Blocks. Errors: those of the journal.
  [[nodiscard]] Result<> start_subscriptions(const std::vector<events::SubscriptionPtr>& file,
                                             std::vector<events::DeliveryHost> hosts,
                                             std::function<bool(const ServiceName&)> has_service);
  // Those of the file, from now on.
  void replace_subscriptions(const std::vector<events::SubscriptionPtr>& file);
  // Those that run: of the file, and declared at run time.
  [[nodiscard]] const std::vector<events::SubscriptionPtr>& running() const noexcept { return running_; }
  [[nodiscard]] events::SubscriptionRunner& subscriptions() noexcept { return subscriptions_; }
  [[nodiscard]] events::SubscriptionApi& subscription_api() noexcept { return subscription_api_; }
  void collect(telemetry::MetricsPage& page) const;
  // Counts dead letters, and forgets, now and then, what has been kept long enough.
  [[nodiscard]] net::Task<> tend_forever(net::Loop& loop);

 private:
  [[nodiscard]] net::Task<> sweep_dead_letters();
  [[nodiscard]] net::Task<> tend_declared();
  [[nodiscard]] bool in_file(const std::string& name) const;
  // Of both kinds, with the topics that they name.
  [[nodiscard]] std::vector<events::SubscriptionPtr> merge();
  [[nodiscard]] net::Task<> forget_periods();
  [[nodiscard]] net::Task<> tend_deletions();
  [[nodiscard]] net::Task<> keep_topics();
  // Of all of them: who reads which topic, and what is made of it.
  void follow(const std::vector<events::SubscriptionPtr>& subscriptions);

  journal::Journal& journal_;
  events::TopicTable topics_;
  events::EventMetrics metrics_;
  events::Publisher publisher_;
  events::TopicReader reader_;
  events::Api api_;
  events::OperatorApi operator_api_;
  events::Erasure erasure_;
  events::SubjectApi subject_api_;
  events::SubscriptionRunner subscriptions_;
  events::DeadLetters dead_letters_;
  events::DeclaredSubscriptions declared_;
  events::SubscriptionApi subscription_api_;
  std::unique_ptr<events::TopicKeeper> keeper_;
  std::uint64_t forgotten_ = 0;  // events
  std::string trouble_;          // with dead letters, that was logged last
  std::string declared_trouble_;
  std::string deletion_trouble_;
  std::string keeper_trouble_;
  std::vector<events::TopicUse> readers_;
  journal::KeyVault::Policies personal_;
  std::vector<events::TopicPtr> file_topics_;
  std::vector<events::SubscriptionPtr> file_subscriptions_;
  std::vector<events::SubscriptionPtr> running_;
};

}  // namespace flotilla::app
