// One attempt of a call that waited: at most one request on the wire; and how the service stands.
//
// For: queue_shard.hpp; it is a port, so that tests answer without a network. CallQueueCarrier sends the
// request as it was kept, with the same Idempotency-Key each time, through the one way out: the service's
// rate limit, breaker and bulkhead apply, its retries, fallbacks and timeout do not.
// Ownership: the loop and the caller outlive it. Threads: the worker's. Limits: kMaxKeptAnswer + 1 bytes of
// the answer are read.
#pragma once

#include <functional>
#include <memory>

#include "flotilla/call/caller.hpp"
#include "flotilla/events/core/queue_io.hpp"
#include "flotilla/events/queue.hpp"

namespace flotilla::events {

// How a service stands, as far as its queue is concerned.
struct ServiceWeather {
  QueueGate gate = QueueGate::open;
  std::uint64_t successes = 0;  // of all calls so far
};

class QueueCarrier {
 public:
  QueueCarrier() = default;
  QueueCarrier(const QueueCarrier&) = delete;
  QueueCarrier& operator=(const QueueCarrier&) = delete;
  virtual ~QueueCarrier() = default;

  // Within the policy's timeout. What is given outlives the task; destroying the task abandons the attempt.
  // `wanted` is asked on the loop when every wait is over, before the first byte leaves; false: held back.
  // The token of the answer is the caller's to set.
  [[nodiscard]] virtual net::Task<queue_input::Answer> deliver(const Queue& queue, const AcceptedRecord& call,
                                                               std::function<bool()> wanted) = 0;
  [[nodiscard]] virtual ServiceWeather look(const Queue& queue) = 0;
};

class CallQueueCarrier final : public QueueCarrier {
 public:
  // `services` gives those of the configuration of the moment, on the loop.
  using Services = std::function<std::shared_ptr<const call::ServiceTable>()>;
  CallQueueCarrier(net::Loop& loop, call::Caller& caller, Services services)
      : loop_(loop), caller_(caller), services_(std::move(services)) {}

  // A service that the file does not know any more was not reached.
  [[nodiscard]] net::Task<queue_input::Answer> deliver(const Queue& queue, const AcceptedRecord& call,
                                                       std::function<bool()> wanted) override;
  [[nodiscard]] ServiceWeather look(const Queue& queue) override;

 private:
  net::Loop& loop_;
  call::Caller& caller_;
  Services services_;
};

}  // namespace flotilla::events
