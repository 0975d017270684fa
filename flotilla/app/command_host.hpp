// Aggregates and their commands in the running program: over the journal that SagaHost opened, their doors
// and their upkeep.
//
// For: platform.hpp. Ownership: owns what it is made of; the journal outlives it, and so do the workers whose
// gateways ask. Threads: the control thread; runner() serves any. Limits: those of cqrs/command_runner.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/app/config_file.hpp"
#include "flotilla/cqrs/aggregate_api.hpp"
#include "flotilla/cqrs/command_api.hpp"
#include "flotilla/cqrs/command_runner.hpp"
#include "flotilla/cqrs/reply_retention.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::app {

class CommandHost {
 public:
  CommandHost(journal::Journal& journal, std::uint64_t seed, const ConfigFile& file)
      : runner_(journal, seed, file.api ? file.api->token : std::string()),
        api_(runner_),
        reader_(journal),
        aggregate_api_(reader_),
        retention_(journal) {}

  // They are executed once it was started, until the runner is stopped.
  void start(const ConfigFile& file, std::vector<cqrs::CommandHost> hosts);
  // What the file says from now on, of its topics too.
  void replace(const ConfigFile& file);
  [[nodiscard]] cqrs::CommandRunner& runner() noexcept { return runner_; }
  [[nodiscard]] cqrs::CommandApi& api() noexcept { return api_; }
  [[nodiscard]] cqrs::AggregateApi& aggregate_api() noexcept { return aggregate_api_; }
  // Forgets, now and then, replies that were kept long enough.
  [[nodiscard]] net::Task<> tend_forever(net::Loop& loop) { return retention_.tend(loop); }
  void collect(telemetry::MetricsPage& page) const;

 private:
  cqrs::CommandRunner runner_;
  cqrs::CommandApi api_;
  cqrs::AggregateReader reader_;
  cqrs::AggregateApi aggregate_api_;
  cqrs::ReplyRetention retention_;
};

// What the topics of the file ask of events that commands decide: schema and key. An event of a topic that
// the file does not name is refused.
[[nodiscard]] cqrs::EventRules event_rules(const std::vector<events::TopicPtr>& topics);

}  // namespace flotilla::app
