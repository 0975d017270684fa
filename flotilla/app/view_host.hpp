// Views in the running program: over the journal that SagaHost opened, their shells and their doors.
//
// For: platform.hpp. Ownership: owns what it is made of; the journal outlives it, and so do the workers whose
// gateways read. Threads: the control thread; reader() serves any. Limits: those of cqrs/view_runner.hpp.
#pragma once

#include "flotilla/cqrs/api.hpp"
#include "flotilla/cqrs/operator_api.hpp"
#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::app {

class ViewHost {
 public:
  // `redis`: where copies go.
  ViewHost(journal::Journal& journal, std::optional<cqrs::RedisAddress> redis)
      : runner_(journal, std::move(redis)), reader_(runner_), api_(reader_), operator_api_(runner_) {}

  // They run once it was started, until stop(), while the workers' loops still run.
  [[nodiscard]] cqrs::ViewRunner& runner() noexcept { return runner_; }
  [[nodiscard]] cqrs::ViewReader& reader() noexcept { return reader_; }
  // http::ApiHandlers.
  [[nodiscard]] cqrs::Api& api() noexcept { return api_; }
  [[nodiscard]] cqrs::OperatorApi& operator_api() noexcept { return operator_api_; }

 private:
  cqrs::ViewRunner runner_;
  cqrs::ViewReader reader_;
  cqrs::Api api_;
  cqrs::OperatorApi operator_api_;
};

}  // namespace flotilla::app
