// What is answered instead when a call fails: the second policy, from the outside.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/call/call_state.hpp"
#include "flotilla/call/durable_queue.hpp"

namespace flotilla::call {

bool Caller::wants_stale(const WorkerService& service, const Outgoing& outgoing) {
  return outgoing.method == http::Method::get &&
         std::ranges::any_of(service.service->config().fallbacks,
                             [](const Fallback& f) { return std::holds_alternative<StaleFallback>(f); });
}

void Caller::keep_stale(const std::string& key, const http::Response& response) {
  const auto cache_control = response.headers.get("Cache-Control");
  if (key.empty() || response.status < 200 || response.status > 299 ||
      response.headers.contains("Set-Cookie") ||
      (cache_control && to_lower(*cache_control).find("no-store") != std::string::npos)) {
    return;
  }
  stale_.store(key, response, loop_.now());
}

net::Task<> Caller::fall_back(const ServiceTable& services, CallState& state, Answer& answer) {
  const LiveAnswer* const live = answer.live();
  if (live != nullptr && live->head().status < 500) {
    co_return;
  }
  const auto counted = [&](FallbackKind kind) {
    state.service.counters->fallbacks[static_cast<std::size_t>(kind)].add();
  };
  for (const Fallback& fallback : state.shared().config().fallbacks) {
    if (const auto* const queue = std::get_if<QueueFallback>(&fallback)) {
      if (co_await queue_for_later(*queue, state, answer)) {
        co_return;
      }
      continue;
    }
    if (state.behind) {
      continue;  // anything else would overtake
    }
    if (const auto* respond = std::get_if<RespondFallback>(&fallback)) {
      counted(FallbackKind::respond);
      FallbackAnswer instead{.kind = FallbackKind::respond,
                             .response = {.status = respond->status, .body = respond->body}};
      for (const auto& [name, value] : respond->headers) {
        instead.response.headers.add(name, value);
      }
      answer.value = std::move(instead);
      co_return;
    }
    if (const auto* stale = std::get_if<StaleFallback>(&fallback)) {
      const auto* const kept = stale_.find(state.outgoing.stale_key(), stale->longest, loop_.now());
      if (kept != nullptr) {
        counted(FallbackKind::stale);
        FallbackAnswer instead{.kind = FallbackKind::stale, .response = kept->response};
        const auto age = std::chrono::duration_cast<std::chrono::seconds>(loop_.now() - kept->stored);
        instead.response.headers.set("Age", fmt::format("{}", age.count()));
        answer.value = std::move(instead);
        co_return;
      }
    }
    if (const auto* other = std::get_if<ServiceFallback>(&fallback)) {
      WorkerService* const alternative = services.find(other->service);
      if (alternative == nullptr || state.outgoing.streams) {
        continue;
      }
      // Its own policies and deadline, but no fallback of its own: one step aside, never two.
      CallState aside(*alternative, state.outgoing,
                      saturating_add(loop_.now(), alternative->service->config().timeout), worker_);
      Answer other_answer;
      if (!enter_rate_limit(aside)) {
        co_await attempts(aside, other_answer);
      }
      state.sent += aside.sent;
      state.maybe_acted = state.maybe_acted || aside.maybe_acted;
      const LiveAnswer* const better = other_answer.live();
      if (better != nullptr && better->head().status < 500) {
        counted(FallbackKind::service);
        answer = std::move(other_answer);
        co_return;
      }
    }
  }
}

// A call of a key of which others wait goes behind them.
bool Caller::must_queue(const CallState& state) const {
  if (later_ == nullptr) {
    return false;
  }
  const auto& fallbacks = state.shared().config().fallbacks;
  const auto found = std::ranges::find_if(
      fallbacks, [](const Fallback& each) { return std::holds_alternative<QueueFallback>(each); });
  if (found == fallbacks.end()) {
    return false;
  }
  const auto& queue = std::get<QueueFallback>(*found);
  const Outgoing& outgoing = state.outgoing;
  if (!queue.key || http::is_safe(outgoing.method) || outgoing.streams || !later_->keeps_order(queue.name)) {
    return false;
  }
  const auto key = ordering_key(queue, outgoing.body);
  return key && !key->empty() && later_->is_waiting(queue.name, *key);
}

namespace {

// What the caller's own side decided, or the caller's fault, is no reason to wait for the service.
bool is_queueable(Reason reason) {
  constexpr std::array kReasons{Reason::no_instance,     Reason::circuit_open, Reason::bulkhead_full,
                                Reason::connect_failure, Reason::reset,        Reason::bad_answer,
                                Reason::timeout,         Reason::behind};
  return std::ranges::find(kReasons, reason) != kReasons.end();
}

http::Response pending_response(const QueueFallback& queue, const Taken& taken) {
  http::Response response{.status = 202, .headers = {{"Content-Type", "application/json"}}, .body = {}};
  if (queue.pending) {
    response.status = queue.pending->status;
    response.headers = {};
    for (const auto& [name, value] : queue.pending->headers) {
      response.headers.add(name, value);
    }
    response.body = queue.pending->body;
  } else {
    // Names and ids need no escapes.
    response.body = fmt::format(R"({{"status":"pending","id":"{}","queue":"{}","status_url":"{}"}})",
                                taken.id, queue.name, taken.status_url);
  }
  response.headers.add("Location", taken.status_url);
  response.headers.add("Queue-Item", taken.id);
  return response;
}

Refusal refusal_of(const Taken& taken, bool maybe_acted) {
  const Effect effect = maybe_acted || taken.maybe_kept ? Effect::unknown : Effect::none;
  switch (taken.what) {
    case Taken::What::key_reused:
      return {.reason = Reason::key_reused, .effect = effect, .policy = "queue", .detail = taken.detail};
    case Taken::What::full:
      return {.reason = Reason::overloaded,
              .effect = effect,
              .policy = "queue",
              .detail = taken.detail,
              .retry_after = std::chrono::seconds(10)};
    default:
      return {.reason = Reason::store_unavailable,
              .effect = effect,
              .policy = "queue",
              .detail = "the call could not be kept for later: " + taken.detail};
  }
}

}  // namespace

// True: it is answered, with where it waits or with why it cannot.
net::Task<bool> Caller::queue_for_later(const QueueFallback& queue, CallState& state, Answer& answer) {
  Outgoing& outgoing = state.outgoing;
  const Refusal* const refusal = answer.refusal();
  const bool wanted = refusal == nullptr || is_queueable(refusal->reason);
  if (later_ == nullptr || !wanted || outgoing.gave_up) {
    co_return false;
  }
  const bool acted = state.maybe_acted || (refusal != nullptr && refusal->effect != Effect::none);
  const bool resendable = http::is_idempotent(outgoing.method) || outgoing.idempotency_key;
  auto request = deferred_request(outgoing);
  if (!request || (acted && !resendable)) {
    later_->passed_by(queue.name, request ? PassedBy::unsafe : PassedBy::unsuitable);
    co_return false;
  }
  auto key = ordering_key(queue, request->body);
  if (!key) {
    later_->passed_by(queue.name, PassedBy::no_key);
    co_return false;
  }
  DeferredCall deferred{.queue = queue,
                        .service = state.shared().name(),
                        .request = *std::move(request),
                        .key = *std::move(key),
                        .resendable = resendable,
                        .maybe_acted = acted,
                        .cause = refusal == nullptr ? Reason::bad_answer : refusal->reason};
  answer.value.emplace<Refusal>();  // gives back the connection and the slot before the wait
  const Taken taken = co_await later_->take(std::move(deferred));
  if (taken.what == Taken::What::queued || taken.what == Taken::What::duplicate) {
    state.service.counters->fallbacks[static_cast<std::size_t>(FallbackKind::queue)].add();
    answer.value = FallbackAnswer{.kind = FallbackKind::queue, .response = pending_response(queue, taken)};
  } else {
    answer.value = refusal_of(taken, acted);
  }
  co_return true;
}

}  // namespace flotilla::call
