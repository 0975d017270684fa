// Sagas in the running program: the journal they are kept in, the runner, and its doors.
//
// For: platform.hpp. Made when the file names sagas, topics or a store; without it there are none.
// Ownership: owns the journal, the runner and the APIs. stop() comes before the workers' loops end, the
// destructor after them: gateways may ask until then, and are told that it stops.
// Threads: the control thread; sagas() serves any. Limits: those of runner.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/app/config_file.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/api.hpp"
#include "flotilla/saga/operator_api.hpp"
#include "flotilla/saga/retention.hpp"
#include "flotilla/saga/runner.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::app {

// Where a file that needs a journal keeps it, a path or a PostgreSQL address; empty for one that needs none.
[[nodiscard]] std::string journal_path(const ConfigFile& file);

// Where services, and other processes of a shared journal, reach the application API; empty where the file
// does not say: a port on all addresses has no one address.
[[nodiscard]] std::string api_base(const ConfigFile& file);

class SagaHost {
 public:
  // Opens the journal and reads what has not ended. Errors name the store and the way out.
  [[nodiscard]] static Result<std::unique_ptr<SagaHost>> open(const ConfigFile& file, std::uint64_t seed);

  // Of the journal's file, or its address.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // Until stop().
  [[nodiscard]] journal::Journal& journal() noexcept { return *journal_; }
  [[nodiscard]] saga::Runner& runner() noexcept { return *runner_; }
  [[nodiscard]] saga::Sagas& sagas() noexcept { return *runner_; }
  // http::ApiHandlers.
  [[nodiscard]] saga::Api& api() noexcept { return api_; }
  [[nodiscard]] saga::OperatorApi& operator_api() noexcept { return operator_api_; }

  [[nodiscard]] journal::Health health() const;
  void collect(telemetry::MetricsPage& page) const;
  // Archives and forgets, now and then, what has been kept as long as its definition asks for.
  [[nodiscard]] net::Task<> tend_forever(net::Loop& loop) { return retention_.tend(loop); }
  // After a reload, as the runner has them.
  void replace_definitions(const std::vector<saga::DefinitionPtr>& definitions) {
    retention_.replace_definitions(definitions);
  }
  // Says once what has become of the journal since it was asked last.
  void log_health();

  // Ends all sagas' work and closes the journal.
  void stop();

 private:
  SagaHost(std::string path, std::unique_ptr<journal::Journal> journal, std::unique_ptr<saga::Runner> runner,
           const ConfigFile& file);

  std::string path_;
  std::unique_ptr<journal::Journal> journal_;  // null after stop()
  std::unique_ptr<saga::Runner> runner_;
  saga::Retention retention_;
  saga::Api api_;
  saga::OperatorApi operator_api_;
  journal::Health::State told_ = journal::Health::State::healthy;
};

}  // namespace flotilla::app
