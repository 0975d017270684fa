#include "flotilla/call/answer.hpp"

namespace flotilla::call {

void Attempt::settle(resilience::Outcome outcome, Instant now) {
  if (settled_) {
    return;
  }
  settled_ = true;
  const bool failed = outcome == resilience::Outcome::failure;
  (failed ? counters->failures : counters->successes).add();
  if (permit) {
    const auto counted = service->breaker()->complete(std::move(*permit), outcome, now, now - sent);
    counters->breaker_results[static_cast<std::size_t>(counted)].add();
    permit.reset();
  }
  instances->report(*instance, failed, now);
}

}  // namespace flotilla::call
