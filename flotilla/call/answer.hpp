// How a call ended: a service's answer that is still arriving, an answer of a fallback, or a refusal.
//
// A LiveAnswer carries everything the call holds (connection, breaker permit, bulkhead slot, instance) and
// gives each back exactly once: finish() when the answer was read whole, broken() when it stopped short;
// destruction without either is a cancellation, which no policy takes for a failure.
// Ownership: move-only values. Threads: the worker's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "flotilla/base/reason.hpp"
#include "flotilla/call/instance_set.hpp"
#include "flotilla/call/service.hpp"
#include "flotilla/http/connection_pool.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::call {

// One attempt's claims on the policies.
class Attempt {
 public:
  Attempt() = default;
  Attempt(Attempt&&) = default;
  Attempt& operator=(Attempt&&) = default;
  ~Attempt() = default;

  // Tells breaker and outlier detection how it went; afterwards there is nothing more to tell.
  void settle(resilience::Outcome outcome, Instant now);

  Service* service = nullptr;
  InstanceSet* instances = nullptr;
  ServiceCounters* counters = nullptr;
  std::optional<resilience::BreakerPermit> permit;
  resilience::BulkheadSlot slot;
  InstanceUse instance;
  Instant sent;

 private:
  bool settled_ = false;
};

class LiveAnswer {
 public:
  LiveAnswer(Attempt attempt, http::Upstream upstream)
      : attempt_(std::move(attempt)), upstream_(std::move(upstream)) {}

  [[nodiscard]] http::Upstream& upstream() noexcept { return upstream_; }
  [[nodiscard]] const http::ResponseHead& head() const noexcept { return upstream_.head(); }
  [[nodiscard]] std::string_view instance_id() const noexcept { return attempt_.instance->id; }
  // The answer was read whole (or its status decided already).
  void finish(Instant now) { attempt_.settle(resilience::Outcome::success, now); }
  // It stopped before its end.
  void broken(Instant now) { attempt_.settle(resilience::Outcome::failure, now); }

 private:
  friend class Caller;
  Attempt attempt_;
  http::Upstream upstream_;
};

// An answer that does not come from the service that was called.
struct FallbackAnswer {
  FallbackKind kind = FallbackKind::respond;
  http::Response response;
};

// Why there is no answer.
struct Refusal {
  Reason reason = Reason::no_instance;
  resilience::Outcome outcome = resilience::Outcome::cancelled;
  Effect effect = Effect::none;
  std::string_view policy;  // which one refused; empty for a failure
  std::string detail;
  Duration retry_after{0};  // zero: no estimate
};

struct Answer {
  std::variant<Refusal, LiveAnswer, FallbackAnswer> value;
  std::uint32_t attempts = 0;
  std::string failed_instance;  // with a refusal: id of the instance that failed last, if any

  [[nodiscard]] LiveAnswer* live() noexcept { return std::get_if<LiveAnswer>(&value); }
  [[nodiscard]] FallbackAnswer* fallback() noexcept { return std::get_if<FallbackAnswer>(&value); }
  [[nodiscard]] Refusal* refusal() noexcept { return std::get_if<Refusal>(&value); }
};

}  // namespace flotilla::call
