// One attempt of a saga's request at a service: one Call, at most one request on the wire.
//
// For: the shards of a worker (carrier.hpp). The service's rate limit, breaker and bulkhead apply, and what
// they refuse was held back, not attempted; its retries, fallbacks and timeout do not: the saga has its own.
// What the answer means is the engine's business (core/verdict.hpp); here it is only read: its head, the
// hints for sagas in it, and its body.
// Ownership: the loop and the caller outlive it. Threads: the worker's.
// Limits: a body of more than kMaxPayload is read one byte beyond it and no further; the engine says what
// follows.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/call/caller.hpp"
#include "flotilla/saga/carrier.hpp"

namespace flotilla::saga {

class CallCarrier final : public Carrier {
 public:
  // `services` gives those of the configuration of the moment, on the loop.
  using Services = std::function<std::shared_ptr<const call::ServiceTable>()>;
  CallCarrier(net::Loop& loop, call::Caller& caller, Services services)
      : loop_(loop), caller_(caller), services_(std::move(services)) {}

  // A service that the file does not know any more was not reached.
  [[nodiscard]] net::Task<input::Answer> carry(const effect::Send& send, std::string_view callback,
                                               std::function<bool()> wanted) override;

 private:
  net::Loop& loop_;
  call::Caller& caller_;
  Services services_;
};

// Where to ask about a 202: the path and query of Location if it is one of ours to ask, without the prefix of
// the service's address; empty otherwise.
[[nodiscard]] std::string poll_target(std::string_view location, std::string_view path_prefix);

}  // namespace flotilla::saga
