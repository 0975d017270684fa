// What one logical call carries from attempt to attempt. Of the caller's own files alone.
//
// Ownership: lives in the frame of the call. Threads: the worker's. Limits: those of the policies.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flotilla/call/caller.hpp"

namespace flotilla::call {

// What one logical call carries from attempt to attempt.
struct Caller::CallState {
  CallState(WorkerService& called, Outgoing& out, Instant until, std::uint32_t on_worker)
      : service(called), outgoing(out), deadline(until), worker(on_worker) {
    service.service->budget().call_started(worker);
    service.counters->calls.add();
  }
  CallState(const CallState&) = delete;
  CallState& operator=(const CallState&) = delete;
  ~CallState() { service.service->budget().call_ended(worker); }

  [[nodiscard]] Service& shared() const noexcept { return *service.service; }

  WorkerService& service;
  Outgoing& outgoing;
  Instant deadline;  // of the whole call
  std::uint32_t worker;
  std::uint32_t sent = 0;     // attempts begun
  std::uint32_t counted = 0;  // of them, those that the retry policy counts
  bool single = false;        // the caller's deadline alone counts
  bool free_retry_used = false;
  bool unsent_retry_used = false;
  bool displaced = false;  // from a shared connection: it goes alone from then on
  bool again_alone = false;
  std::vector<std::string> tried;  // ids of instances, filled only when there is a retry
  std::optional<resilience::RetryBudget::Ticket> ticket;
  // About the attempt that just failed, for the retry decision.
  std::optional<resilience::RetryReason> failed;
  bool bytes_sent = false;
  bool answer_begun = false;
  bool reused = false;
  bool maybe_acted = false;  // an attempt may have had its effect
  bool behind = false;       // it was not tried, because earlier calls of its key wait in a queue
  std::string instance_id;
};

}  // namespace flotilla::call
