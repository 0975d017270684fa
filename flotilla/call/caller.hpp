// The one way out: every call to a service goes through Caller::call, in the order of policies below.
//
// Outermost first (DESIGN 1; `flotilla explain SERVICE` prints it with the service's numbers):
//    1 trace and count        sees the caller's truth
//    2 fallback               any failure below; a failing fallback is no second failure
//    3 total deadline         over everything that follows
//    4 stale store            keeps good answers for the `stale` fallback
//    5 rate limit             a quota is per logical call, not per attempt
//    6 retry under a budget   only what is safe to send again
//    7 service breaker        a permit per attempt; open ends the retrying
//    8 pick an instance       ejected ones are passed over
//    9 bulkhead               its refusals are not failures; a slot is held only while really calling
//   10 per-try timeout        inside the breaker, so slowness counts
//   11 connection             from the instance's pool
// Each is a flat enter step here and an exit in Attempt::settle or a destructor; only real waiting suspends.
// Ownership: one Caller per worker, owns its stale answers. Threads: the worker's.
// Limits: at most kMostAttempts attempts whatever a policy says.
#pragma once

#include <memory>

#include "flotilla/base/random.hpp"
#include "flotilla/call/answer.hpp"
#include "flotilla/call/outgoing.hpp"
#include "flotilla/call/service_table.hpp"
#include "flotilla/call/stale_cache.hpp"
#include "flotilla/net/resolver.hpp"

namespace flotilla::call {

class DurableQueue;

class Caller {
 public:
  static constexpr std::uint32_t kMostAttempts = 16;

  Caller(net::Loop& loop, net::Resolver& resolver, std::uint32_t worker, std::uint64_t seed)
      : loop_(loop), resolver_(resolver), worker_(worker), random_(seed) {}
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Calls `service` before `deadline` (the earlier of this and the service's own timeout counts).
  // `services` finds the service of a `service` fallback; it must outlive the call, as must `outgoing`.
  // Destroying the task cancels the call. The answer is built in place, because moving one costs more than
  // the policies do; its head is valid until the next await.
  [[nodiscard]] net::Task<> call(const ServiceTable& services, WorkerService& service, Outgoing& outgoing,
                                 Instant deadline, Answer& answer);

  // Sends at most one request: for callers with a retry schedule of their own, which count what is on the
  // wire (sagas, deliveries). Rate limit, breaker and bulkhead apply; retries, fallbacks and the service's
  // own timeouts do not. Otherwise as call().
  [[nodiscard]] net::Task<> once(WorkerService& service, Outgoing& outgoing, Instant deadline,
                                 Answer& answer);

  // The answer was read whole by whoever streams it: keeps it if it may serve as stale.
  void keep_stale(const std::string& key, const http::Response& response);
  [[nodiscard]] static bool wants_stale(const WorkerService& service, const Outgoing& outgoing);

  // Where calls of services with a `queue` fallback wait, which outlives the last call; without one they fail
  // as if they had none.
  void set_later(DurableQueue* later) noexcept { later_ = later; }

 private:
  struct CallState;

  net::Task<> attempts(CallState& state, Answer& answer);
  net::Task<> attempt(CallState& state, Answer& answer);
  net::Task<> fall_back(const ServiceTable& services, CallState& state, Answer& answer);
  [[nodiscard]] bool must_queue(const CallState& state) const;
  [[nodiscard]] net::Task<bool> queue_for_later(const QueueFallback& queue, CallState& state, Answer& answer);

  [[nodiscard]] std::optional<Refusal> enter_rate_limit(CallState& state);
  [[nodiscard]] std::optional<Refusal> enter_breaker(CallState& state, Attempt& attempt);
  [[nodiscard]] net::Task<std::optional<Refusal>> wait_for_slot(CallState& state, Attempt& attempt);
  [[nodiscard]] static http::Upstream take_connection(const CallState& state, const WorkerInstance& instance);
  [[nodiscard]] net::Task<std::expected<http::Upstream, net::IoError>> connect(CallState& state,
                                                                               WorkerInstance& instance,
                                                                               Instant deadline);
  [[nodiscard]] net::Task<std::expected<void, http::UpstreamFailure>> exchange(CallState& state,
                                                                               const WorkerInstance& instance,
                                                                               http::Upstream& upstream,
                                                                               Instant deadline);
  [[nodiscard]] net::Task<std::expected<void, http::UpstreamFailure>> exchange_streamed(
      CallState& state, http::Upstream& upstream);
  [[nodiscard]] Refusal fail_attempt(CallState& state, Attempt& attempt, net::IoError error);
  [[nodiscard]] Refusal fail_attempt(CallState& state, Attempt& attempt,
                                     const http::UpstreamFailure& failure);
  [[nodiscard]] std::optional<Duration> retry_delay(CallState& state);

  net::Loop& loop_;
  net::Resolver& resolver_;
  std::uint32_t worker_;
  Random random_;
  StaleCache stale_;
  DurableQueue* later_ = nullptr;
  std::string head_;  // scratch for request heads
};

}  // namespace flotilla::call
