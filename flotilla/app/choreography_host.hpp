// Choreographies in the running program: the projections that follow transactions, what is told when
// something is overdue, what is forgotten, and their doors.
//
// For: platform.hpp. The projections are those of views (cqrs), with a fold in C++; so rows and checkpoint
// are one commit, and another definition is built beside the one that is read. In a journal that several
// processes share the one with the lease of a projection's shard follows the choreography, tells and forgets;
// all of them show it. Ownership: owns what it is
// made of; what it is given outlives it, and so do the workers' loops until stop(). Threads: the control
// thread. Limits: those of events/core/choreography.hpp and cqrs/view_runner.hpp.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/app/config_file.hpp"
#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/events/choreography_watch.hpp"
#include "flotilla/events/core/choreography_fold.hpp"
#include "flotilla/events/correlation_api.hpp"
#include "flotilla/events/instance_rows.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/net/scope.hpp"
#include "flotilla/saga/service.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::app {

class ChoreographyHost final : public events::InstanceRows {
 public:
  ChoreographyHost(journal::Journal& journal, saga::Sagas& sagas,
                   std::function<std::vector<events::SubscriptionPtr>()> subscriptions);
  ~ChoreographyHost() override;

  void start(const ConfigFile& file, std::vector<net::Loop*> loops);
  // What the file says after a reload. What is as it was goes on.
  void replace(const ConfigFile& file);
  void drain(Duration grace, std::function<void()> done) { runner_.drain(grace, std::move(done)); }
  // Ends all of it, as a crash would. Blocks.
  void stop();

  // Tells what is overdue, and forgets, now and then, what has been kept long enough.
  [[nodiscard]] net::Task<> tend_forever(net::Loop& loop);

  [[nodiscard]] events::CorrelationApi& api() noexcept { return api_; }
  void collect(telemetry::MetricsPage& page) const;

  std::vector<events::ChoreographyPtr> choreographies() const override { return choreographies_; }
  net::Task<events::Asked<events::InstancePage>> rows(std::string choreography,
                                                      events::InstanceQuery query) override;
  net::Task<events::Asked<events::Done>> await(std::string choreography, journal::Position position,
                                               Instant deadline) override;
  net::Task<events::Asked<events::Done>> await_more(std::string choreography, journal::ReadToken seen,
                                                    Instant deadline) override;
  std::optional<std::uint32_t> seat(std::string_view choreography) const override;

 private:
  // Of one name, as long as the process lives.
  struct Counters {
    std::shared_ptr<events::ChoreographyCounters> folded = std::make_shared<events::ChoreographyCounters>();
    std::shared_ptr<events::WatchCounters> watch = std::make_shared<events::WatchCounters>();
    std::uint64_t overdue = 0;  // transactions, when it was looked last; up to kMostCounted
  };
  static constexpr std::size_t kMostCounted = 1000;

  [[nodiscard]] std::vector<cqrs::ViewDefinitionPtr> take(const ConfigFile& file);
  [[nodiscard]] cqrs::ViewPtr view_of(std::string_view choreography) const;
  void watch();
  // Whether there is more of it to forget.
  [[nodiscard]] net::Task<bool> sweep(events::ChoreographyPtr choreography);
  [[nodiscard]] net::Task<> count_overdue(events::ChoreographyPtr choreography);

  cqrs::ViewRunner runner_;
  cqrs::ViewReader reader_{runner_};
  events::Publisher publisher_;
  events::CorrelationApi api_;
  std::vector<events::ChoreographyPtr> choreographies_;  // by name
  std::map<std::string, events::TopicPtr> overdue_topics_;
  std::map<std::string, Counters> counters_;
  net::Loop* loop_ = nullptr;  // null until tend_forever()
  std::vector<std::unique_ptr<events::ChoreographyWatch>> watches_;
  std::unique_ptr<net::Scope> watching_;
};

}  // namespace flotilla::app
