#include "flotilla/call/caller.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/call/call_state.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::call {

using resilience::Outcome;

namespace {

// A body that is being sent must move at least this often.
constexpr Duration kBodyGap = std::chrono::seconds(60);

Outcome outcome_of(std::uint16_t status) noexcept {
  if (status >= 500) {
    return Outcome::failure;
  }
  return status == 429 ? Outcome::overload : Outcome::success;
}

Refusal refusal_of(const http::UpstreamFailure& failure) {
  using Kind = http::UpstreamFailure::Kind;
  const Reason reason = failure.kind == Kind::timeout      ? Reason::timeout
                        : failure.kind == Kind::bad_answer ? Reason::bad_answer
                                                           : Reason::reset;
  return {.reason = reason,
          .outcome = Outcome::failure,
          .effect = Effect::unknown,
          .detail = std::string(failure.detail)};
}

}  // namespace

net::Task<> Caller::call(const ServiceTable& services, WorkerService& service, Outgoing& outgoing,
                         Instant deadline, Answer& answer) {
  CallState state(service, outgoing,
                  std::min(deadline, saturating_add(loop_.now(), service.service->config().timeout)),
                  worker_);
  const bool falls_back = !service.service->config().fallbacks.empty();
  if (falls_back && must_queue(state)) {
    state.behind = true;
    answer.value =
        Refusal{.reason = Reason::behind, .detail = "earlier calls of its key still wait in a queue"};
  } else if (auto refused = enter_rate_limit(state)) {
    answer.value = std::move(*refused);
  } else {
    co_await attempts(state, answer);
  }
  if (Refusal* const refusal = answer.refusal(); refusal != nullptr && state.maybe_acted) {
    refusal->effect = std::max(refusal->effect, Effect::unknown);  // of an attempt before the last one
  }
  if (falls_back) {
    co_await fall_back(services, state, answer);
  }
  if (const Refusal* refusal = answer.refusal()) {
    answer.failed_instance = std::move(state.instance_id);
    service.counters->refusals[static_cast<std::size_t>(refusal->reason)].add();
  }
  answer.attempts = state.sent;
}

net::Task<> Caller::once(WorkerService& service, Outgoing& outgoing, Instant deadline, Answer& answer) {
  CallState state(service, outgoing, deadline, worker_);
  state.single = true;
  if (auto refused = enter_rate_limit(state)) {
    answer.value = std::move(*refused);
  } else {
    ++state.sent;
    co_await attempt(state, answer);
  }
  if (const Refusal* refusal = answer.refusal()) {
    answer.failed_instance = std::move(state.instance_id);
    service.counters->refusals[static_cast<std::size_t>(refusal->reason)].add();
  }
  answer.attempts = state.sent;
}

std::optional<Refusal> Caller::enter_rate_limit(CallState& state) {
  resilience::RateLimiter* const limiter = state.shared().limiter();
  if (limiter == nullptr) {
    return std::nullopt;
  }
  const auto decision = limiter->try_acquire(loop_.now());
  if (decision.admitted) {
    return std::nullopt;
  }
  return Refusal{.reason = Reason::rate_limited,
                 .policy = "rate_limit",
                 .detail = fmt::format("service '{}' is called more often than its rate_limit allows",
                                       state.shared().name().value()),
                 .retry_after = decision.retry_after};
}

net::Task<> Caller::attempts(CallState& state, Answer& answer) {
  for (;;) {
    ++state.sent;
    ++state.counted;
    state.failed.reset();
    co_await attempt(state, answer);
    if (!state.failed) {
      co_return;
    }
    if (std::exchange(state.again_alone, false)) {
      // Sharing was our own choice: what it broke is sent once more, whatever `retry` says.
      --state.counted;
      continue;
    }
    const auto delay = retry_delay(state);
    if (!delay) {
      co_return;
    }
    answer.value.emplace<Refusal>();  // gives back the connection and the slot before the pause
    state.service.counters->retries.add();
    state.tried.push_back(state.instance_id);
    if (*delay > Duration::zero()) {
      co_await net::sleep_for(loop_, *delay);
    }
  }
}

// The pause before the next attempt; nothing if there is none.
std::optional<Duration> Caller::retry_delay(CallState& state) {
  const resilience::RetryPolicy& policy = state.shared().config().retry;
  const Outgoing& outgoing = state.outgoing;
  const auto suppress = [&](resilience::GiveUp why) {
    state.service.counters->retries_suppressed[static_cast<std::size_t>(why)].add();
    return std::nullopt;
  };
  if (policy.attempts <= 1 || state.sent >= kMostAttempts) {
    return std::nullopt;
  }
  const resilience::FailedAttempt failed{.reason = *state.failed,
                                         .bytes_sent = state.bytes_sent,
                                         .answer_begun = state.answer_begun,
                                         .reused_connection = state.reused,
                                         .idempotent_method = http::is_idempotent(outgoing.method),
                                         .idempotency_key = outgoing.idempotency_key,
                                         .replayable_body = !outgoing.streams,
                                         .attempts = state.counted,
                                         .free_retry_used = state.free_retry_used,
                                         .remaining = state.deadline - loop_.now()};
  const resilience::RetryDecision decision = resilience::decide(policy, failed, random_);
  if (!decision.retry) {
    return suppress(decision.why);
  }
  if (decision.free) {
    state.free_retry_used = true;
    --state.counted;
    return Duration::zero();
  }
  // A connection that was refused carried nothing: trying another instance once is no load on this one, and
  // is what keeps the death of an instance invisible.
  if (failed.reason == resilience::RetryReason::connect_failure && !state.unsent_retry_used) {
    state.unsent_retry_used = true;
    return decision.delay;
  }
  auto ticket = state.shared().budget().try_retry(worker_, loop_.now());
  if (!ticket) {
    return suppress(resilience::GiveUp::budget);
  }
  state.ticket = std::move(*ticket);
  return decision.delay;
}

std::optional<Refusal> Caller::enter_breaker(CallState& state, Attempt& attempt) {
  resilience::CircuitBreaker* const breaker = state.shared().breaker();
  if (breaker == nullptr) {
    return std::nullopt;
  }
  auto permit = breaker->acquire(loop_.now());
  if (permit) {
    attempt.permit = std::move(*permit);
    return std::nullopt;
  }
  return Refusal{.reason = Reason::circuit_open,
                 .policy = "circuit_breaker",
                 .detail = fmt::format("the circuit breaker of service '{}' is {}",
                                       state.shared().name().value(), to_string(permit.error().state)),
                 .retry_after = permit.error().retry_after};
}

namespace {

// How a slot that is released on another worker's thread wakes the coroutine that waits for it here.
struct SlotSignal {
  explicit SlotSignal(net::Loop& on) : loop(on), state(std::make_shared<State>()) {}
  struct State {
    net::Event* event = nullptr;  // null once the waiter is gone
  };
  static void wake(void* context) noexcept {
    const auto& signal = *static_cast<SlotSignal*>(context);
    signal.loop.post([state = signal.state] {
      if (state->event != nullptr) {
        state->event->set();
      }
    });
  }
  net::Loop& loop;
  std::shared_ptr<State> state;
};

}  // namespace

// Takes a slot of the bulkhead, waiting in its queue if that is allowed.
net::Task<std::optional<Refusal>> Caller::wait_for_slot(CallState& state, Attempt& attempt) {
  resilience::Bulkhead& bulkhead = *state.shared().bulkhead();
  net::Event event;
  SlotSignal signal(loop_);
  const struct Detach {
    std::shared_ptr<SlotSignal::State> state;
    ~Detach() { state->event = nullptr; }
  } detach{signal.state};
  signal.state->event = &event;
  resilience::BulkheadWaiter waiter(&SlotSignal::wake, &signal);
  const auto entered = bulkhead.enter(attempt.slot, waiter);
  if (entered == resilience::Bulkhead::Entered::waiting) {
    state.service.counters->bulkhead_waited.add();
    (void)co_await event.wait(std::min(state.deadline, saturating_add(loop_.now(), bulkhead.max_wait())));
    attempt.slot = bulkhead.take_or_cancel(waiter);
  }
  if (attempt.slot) {
    co_return std::nullopt;
  }
  co_return Refusal{
      .reason = Reason::bulkhead_full,
      .policy = "bulkhead",
      .detail = fmt::format("the bulkhead of service '{}' is full", state.shared().name().value())};
}

// One that stands already, if any.
http::Upstream Caller::take_connection(const CallState& state, const WorkerInstance& instance) {
  if (!instance.pool) {
    return {};
  }
  const std::uint32_t depth = state.shared().config().pipelining;
  const Outgoing& outgoing = state.outgoing;
  const bool shares = depth > 1 && http::is_safe(outgoing.method) && outgoing.body.empty() &&
                      !outgoing.streams && !outgoing.upgrade && !state.single && !state.displaced;
  if (!shares) {
    return instance.pool->take_idle();
  }
  state.service.counters->pipelined.add();
  return instance.pool->take_pipelined(depth);
}

net::Task<std::expected<http::Upstream, net::IoError>> Caller::connect(CallState& state,
                                                                       WorkerInstance& instance,
                                                                       Instant deadline) {
  state.service.counters->connections_opened.add();
  if (!instance.literal) {
    const auto addresses = co_await resolver_.resolve(instance.host, instance.port, deadline);
    if (!addresses) {
      co_return std::unexpected(addresses.error().code == Errc::timeout ? net::IoError::timeout
                                                                        : net::IoError::unresolved);
    }
    state.service.instances->use_address(instance, (*addresses)[random_.below(addresses->size())]);
  }
  co_return co_await instance.pool->connect(deadline);
}

// One attempt: policies 7 to 11, then the wait for the head of the answer.
net::Task<> Caller::attempt(CallState& state, Answer& answer) {
  Attempt attempt;
  attempt.service = state.service.service.get();
  attempt.instances = state.service.instances.get();
  attempt.counters = state.service.counters;
  if (auto refused = enter_breaker(state, attempt)) {
    answer.value = std::move(*refused);
    co_return;
  }
  attempt.instance = state.service.instances->pick(loop_.now(), state.tried);
  if (!attempt.instance) {
    answer.value =
        Refusal{.reason = Reason::no_instance,
                .detail = fmt::format("service '{}' has no healthy instance", state.shared().name().value())};
    co_return;
  }
  if (resilience::Bulkhead* const bulkhead = state.shared().bulkhead()) {
    attempt.slot = bulkhead->try_enter();
    if (!attempt.slot) {
      if (auto refused = co_await wait_for_slot(state, attempt)) {
        answer.value = std::move(*refused);
        co_return;
      }
    }
  }
  const auto try_timeout = state.single ? std::nullopt : state.shared().config().try_timeout;
  const Instant deadline =
      try_timeout ? std::min(state.deadline, saturating_add(loop_.now(), *try_timeout)) : state.deadline;
  attempt.sent = loop_.now();
  state.service.counters->attempts.add();
  http::Upstream upstream = take_connection(state, *attempt.instance);
  if (!upstream) {
    auto connected = co_await connect(state, *attempt.instance, deadline);
    attempt.instances->report_connect(*attempt.instance, connected.has_value(), loop_.now());
    if (!connected) {
      state.bytes_sent = state.answer_begun = state.reused = false;
      answer.value = fail_attempt(state, attempt, connected.error());
      co_return;
    }
    upstream = std::move(*connected);
  }
  if (!state.outgoing.wanted()) {
    answer.value = Refusal{
        .reason = Reason::conflict, .policy = "caller", .detail = "it was withdrawn before it was sent"};
    co_return;  // the attempt counts as cancelled
  }
  upstream.set_deadline(deadline);
  const auto got = co_await exchange(state, *attempt.instance, upstream, deadline);
  if (!got && state.outgoing.gave_up) {
    answer.value =
        Refusal{.reason = Reason::malformed, .effect = Effect::unknown, .detail = "the request broke off"};
    co_return;  // the attempt counts as cancelled
  }
  if (!got) {
    state.bytes_sent = true;
    state.answer_begun = got.error().answer_begun;
    state.reused = upstream.reused();
    answer.value = fail_attempt(state, attempt, got.error());
    co_return;
  }
  const std::uint16_t status = upstream.head().status;
  attempt.counters->latency.record(loop_.now() - attempt.sent);
  const Outcome outcome = outcome_of(status);
  if (outcome != Outcome::success) {
    attempt.settle(outcome, loop_.now());
    state.failed = resilience::retry_reason_of_status(status);
    state.bytes_sent = state.answer_begun = true;
    state.maybe_acted = state.maybe_acted || outcome == Outcome::failure;
    state.instance_id = attempt.instance->id;
  }
  answer.value.emplace<LiveAnswer>(std::move(attempt), std::move(upstream));
}

Refusal Caller::fail_attempt(CallState& state, Attempt& attempt, net::IoError error) {
  attempt.settle(Outcome::failure, loop_.now());
  state.instance_id = attempt.instance->id;
  if (error == net::IoError::timeout) {
    state.failed = resilience::RetryReason::timeout;
    return {.reason = Reason::timeout, .outcome = Outcome::failure, .detail = "no connection in time"};
  }
  state.failed = resilience::RetryReason::connect_failure;
  return {.reason = Reason::connect_failure,
          .outcome = Outcome::failure,
          .detail = fmt::format("{}: {}", attempt.instance->authority, net::to_string(error))};
}

Refusal Caller::fail_attempt(CallState& state, Attempt& attempt, const http::UpstreamFailure& failure) {
  if (failure.kind == http::UpstreamFailure::Kind::displaced) {
    attempt.settle(Outcome::cancelled, loop_.now());
    state.service.counters->displaced.add();
    state.failed = resilience::RetryReason::reset;
    state.displaced = state.again_alone = true;
    return refusal_of(failure);
  }
  attempt.settle(Outcome::failure, loop_.now());
  state.maybe_acted = true;
  state.instance_id = attempt.instance->id;
  if (failure.kind == http::UpstreamFailure::Kind::timeout) {
    state.failed = resilience::RetryReason::timeout;
  } else if (failure.kind == http::UpstreamFailure::Kind::reset) {
    state.failed = resilience::RetryReason::reset;
  }
  return refusal_of(failure);
}

namespace {

// Sends a body that is still arriving, beside the wait for the answer.
net::Task<> pump(Outgoing& outgoing, net::Channel& channel, Instant& deadline, Duration timeout,
                 bool& complete) {
  channel.set_deadline(channel.loop().now() + kBodyGap);
  if (co_await outgoing.stream_body(channel)) {
    complete = true;
    // The service's time to answer begins when it has the whole request.
    deadline = saturating_add(channel.loop().now(), timeout);
    channel.set_deadline(deadline);
  } else {
    outgoing.gave_up = true;
    channel.interrupt(net::IoError::reset);
  }
}

}  // namespace

net::Task<std::expected<void, http::UpstreamFailure>> Caller::exchange(CallState& state,
                                                                       const WorkerInstance& instance,
                                                                       http::Upstream& upstream,
                                                                       Instant deadline) {
  Outgoing& outgoing = state.outgoing;
  head_.clear();
  outgoing.append_head(head_, {.authority = instance.authority,
                               .path_prefix = instance.path_prefix,
                               .remaining = deadline - loop_.now(),
                               .number = state.sent});
  upstream.send(head_, outgoing.body);
  // Not a coroutine of its own: most requests only wait for the head of the answer.
  return outgoing.streams ? exchange_streamed(state, upstream) : upstream.read_head(outgoing.method);
}

net::Task<std::expected<void, http::UpstreamFailure>> Caller::exchange_streamed(CallState& state,
                                                                                http::Upstream& upstream) {
  Outgoing& outgoing = state.outgoing;
  bool complete = false;
  net::Scope sending;
  sending.spawn(
      pump(outgoing, upstream.channel(), state.deadline, state.shared().config().timeout, complete));
  auto got = co_await upstream.read_head(outgoing.method);
  if (!complete) {
    upstream.spoil();  // an answer before the end of the request: the connection cannot carry another
  }
  co_return got;
}

}  // namespace flotilla::call
