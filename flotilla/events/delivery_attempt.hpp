// One attempt of a delivery: one event to its subscriber, at most one request on the wire.
//
// For: subscription_shard.hpp, which asks for each effect::Send; it is a port, so that tests answer without a
// network. CallDelivery sends CloudEvents in HTTP binary mode: attributes as ce-* fields, the data as the
// body. The service's rate limit, breaker and bulkhead apply, and what they refuse was held back, not
// attempted; its retries, fallbacks and timeout do not: the subscription has its own. Beside the event the
// request has Event-Subscription, Event-Attempt, Event-Delivery (the token by which a 202 is acknowledged),
// Event-Replay where a person asked for it again, traceparent and Correlation-Id of the event. Ownership: the
// loop and the caller outlive it. Threads: the worker's. Limits: kMaxAnswer + 1 bytes of the answer are read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "flotilla/call/caller.hpp"
#include "flotilla/events/core/subscription_io.hpp"
#include "flotilla/events/subscription.hpp"

namespace flotilla::events {

struct Attempt {
  const Subscription& subscription;
  const effect::Send& send;
  std::string target;    // path and query
  std::string delivery;  // the token, as the subscriber sees it
};

class DeliveryCarrier {
 public:
  DeliveryCarrier() = default;
  DeliveryCarrier(const DeliveryCarrier&) = delete;
  DeliveryCarrier& operator=(const DeliveryCarrier&) = delete;
  virtual ~DeliveryCarrier() = default;

  // Within the policy's timeout. `attempt` outlives the task; destroying the task abandons the attempt.
  // `wanted` is asked on the loop when every wait is over, before the first byte leaves; false: held back.
  [[nodiscard]] virtual net::Task<input::Answer> deliver(const Attempt& attempt,
                                                         std::function<bool()> wanted) = 0;
};

class CallDelivery final : public DeliveryCarrier {
 public:
  // `services` gives those of the configuration of the moment, on the loop.
  using Services = std::function<std::shared_ptr<const call::ServiceTable>()>;
  CallDelivery(net::Loop& loop, call::Caller& caller, Services services)
      : loop_(loop), caller_(caller), services_(std::move(services)) {}

  // A service that the file does not know any more was not reached.
  [[nodiscard]] net::Task<input::Answer> deliver(const Attempt& attempt,
                                                 std::function<bool()> wanted) override;

 private:
  net::Loop& loop_;
  call::Caller& caller_;
  Services services_;
};

// The value of a ce-* field: blanks, quotes, percent signs and all that is not printable ASCII are
// percent-encoded (CloudEvents 1.0, HTTP binding 3.1.3.2).
[[nodiscard]] std::string ce_value(std::string_view value);

}  // namespace flotilla::events
