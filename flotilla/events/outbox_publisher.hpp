// Events of an outbox on their way to the platform: one batch, one request, what its answer means.
//
// For: outbox_runner.hpp. The request is a Call: the service's breaker and deadline apply; there are no
// retries below, since the relay has its own. What is not surely an acknowledgement of this batch is none.
// Ownership: the loop, the caller and the service outlive it. Threads: the loop's. Limits: kMostAnswer bytes
// of an answer are read.
#pragma once

#include <string>
#include <vector>

#include "flotilla/call/caller.hpp"
#include "flotilla/events/core/outbox_io.hpp"

namespace flotilla::events {

class OutboxPublisher {
 public:
  static constexpr std::size_t kMostAnswer = std::size_t{1} << 20;

  // `token`: of the application API; empty: none.
  OutboxPublisher(net::Loop& loop, call::Caller& caller, call::WorkerService& service, std::string token,
                  Duration timeout)
      : loop_(loop), caller_(caller), service_(service), token_(std::move(token)), timeout_(timeout) {}

  [[nodiscard]] net::Task<outbox_input::Answer> publish(const outbox_effect::Publish& batch);

 private:
  net::Loop& loop_;
  call::Caller& caller_;
  call::WorkerService& service_;
  std::string token_;
  Duration timeout_;
};

// What an answer means. `body` as it came. Pure.
[[nodiscard]] outbox_input::Answer read_publish_answer(std::uint64_t request, std::size_t events,
                                                       std::uint16_t status, std::string_view body);

}  // namespace flotilla::events
