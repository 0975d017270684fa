// Queues for later in the running program: over the journal that SagaHost opened, their doors and their
// upkeep.
//
// For: platform.hpp. Ownership: owns what it is made of; the journal outlives stop(), the workers end before
// this. Threads: the control thread. Limits: those of events/queue_runner.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/app/config_file.hpp"
#include "flotilla/events/queue_api.hpp"
#include "flotilla/events/queue_runner.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::app {

// Of the services of the file.
[[nodiscard]] std::vector<events::QueuePtr> queues_of(const ConfigFile& file);

class QueueHost {
 public:
  // `status_base`: where the application API is reached; empty: not known.
  QueueHost(journal::Journal& journal, std::uint64_t seed, std::string status_base)
      : journal_(journal), runner_(journal, seed, std::move(status_base)), api_(runner_) {}

  // Where calls wait. It takes some once it was started, until it is stopped.
  [[nodiscard]] events::QueueRunner& runner() noexcept { return runner_; }
  [[nodiscard]] events::QueueApi& api() noexcept { return api_; }
  // Says which queues of the journal are not `known`: nothing carries out what waits in them. Then forgets,
  // now and then, results that were kept long enough.
  [[nodiscard]] net::Task<> tend_forever(net::Loop& loop, std::vector<events::QueuePtr> known);

 private:
  [[nodiscard]] net::Task<> warn_of_strangers(const std::vector<events::QueuePtr>& known);

  journal::Journal& journal_;
  events::QueueRunner runner_;
  events::QueueApi api_;
};

}  // namespace flotilla::app
