#include "flotilla/events/queue_attempt.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/retry_after.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using Kind = DeliveryAnswer::Kind;

class QueuedRequest final : public call::Outgoing {
 public:
  QueuedRequest(const AcceptedRecord& kept, const std::function<bool()>& wanted)
      : kept_(kept), wanted_(wanted) {
    method = http::method_from(kept.request.method);
    idempotency_key = true;
    body = kept.request.body;
  }

  void append_head(std::string& out, const call::AttemptInfo& info) override {
    const http::Request& request = kept_.request;
    fmt::format_to(std::back_inserter(out), "{} {}{} HTTP/1.1\r\n", request.method, info.path_prefix,
                   request.target);
    const auto line = [&out](std::string_view name, std::string_view value) {
      out.append(name).append(": ").append(value).append("\r\n");
    };
    if (!request.headers.contains("Host")) {
      line("Host", info.authority);
    }
    for (const http::Field& field : request.headers) {
      line(field.name, field.value);
    }
    if (!request.headers.contains("Idempotency-Key")) {
      line("Idempotency-Key", kept_.idempotency_key);
    }
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\nX-Request-Timeout-Ms: {}\r\n\r\n",
                   body.size(), std::max(to_millis(info.remaining), std::int64_t{1}));
  }
  [[nodiscard]] bool wanted() const override { return wanted_(); }
  [[nodiscard]] net::Task<bool> stream_body(net::Channel& /*to*/) override { co_return true; }
  [[nodiscard]] std::string stale_key() const override { return {}; }

 private:
  const AcceptedRecord& kept_;
  const std::function<bool()>& wanted_;
};

DeliveryAnswer of_refusal(const call::Refusal& refusal) {
  const bool sent = refusal.effect != flotilla::Effect::none;
  DeliveryAnswer head{.kind = sent ? Kind::lost : refusal.policy.empty() ? Kind::not_sent : Kind::held_back};
  if (refusal.retry_after > Duration::zero()) {
    head.retry_after = refusal.retry_after;
  }
  return head;
}

// False when the answer broke off.
net::Task<bool> read_body(net::Loop& loop, call::LiveAnswer& live, Instant deadline, std::string& body) {
  http::Upstream& upstream = live.upstream();
  auto piece = upstream.arrived_body();
  for (;;) {
    if (!piece) {
      live.broken(loop.now());
      co_return false;
    }
    body.append(piece->substr(0, kMaxKeptAnswer + 1 - std::min(body.size(), kMaxKeptAnswer + 1)));
    if (upstream.body_done()) {
      live.finish(loop.now());
      co_return true;
    }
    if (body.size() > kMaxKeptAnswer) {
      live.finish(loop.now());  // it answered; that we do not want all of it is no failure of its
      upstream.close();
      co_return true;
    }
    upstream.channel().set_deadline(deadline);
    piece = co_await upstream.read_body();
  }
}

}  // namespace

net::Task<queue_input::Answer> CallQueueCarrier::deliver(const Queue& queue, const AcceptedRecord& call,
                                                         std::function<bool()> wanted) {
  const std::shared_ptr<const call::ServiceTable> services = services_();
  queue_input::Answer answer{.head = {.kind = Kind::not_sent}};
  call::WorkerService* const service = services == nullptr ? nullptr : services->find(queue.service);
  if (service == nullptr) {
    co_return answer;
  }
  QueuedRequest request(call, wanted);
  const Instant deadline = saturating_add(loop_.now(), queue.policy.timeout);
  call::Answer called;
  co_await caller_.once(*service, request, deadline, called);
  call::LiveAnswer* const live = called.live();
  if (live == nullptr) {
    answer.head = of_refusal(*called.refusal());
    co_return answer;
  }
  const http::ResponseHead& head = live->head();
  answer.head = {.kind = Kind::status, .status = head.status};
  answer.head.from_platform = head.get("Flotilla-Error").has_value();
  if (const auto wait = head.get(http::FieldId::retry_after)) {
    answer.head.retry_after = http::read_retry_after(*wait, net::wall_now());
  }
  answer.content_type = head.get("Content-Type").value_or("");
  if (!co_await read_body(loop_, *live, deadline, answer.body)) {
    answer = {.head = {.kind = Kind::lost}};
  }
  co_return answer;
}

ServiceWeather CallQueueCarrier::look(const Queue& queue) {
  const std::shared_ptr<const call::ServiceTable> services = services_();
  const call::WorkerService* const service = services == nullptr ? nullptr : services->find(queue.service);
  if (service == nullptr) {
    return {.gate = QueueGate::closed};
  }
  const auto& shards = service->service->metrics().shards();
  ServiceWeather weather{.successes = std::accumulate(shards.begin(), shards.end(), std::uint64_t{0},
                                                      [](std::uint64_t sum, const auto& shard) {
                                                        return sum + shard.successes.read();
                                                      })};
  const resilience::CircuitBreaker* const breaker = service->service->breaker();
  if (breaker == nullptr) {
    return weather;
  }
  const auto now = breaker->snapshot(loop_.now());
  if (now.state == resilience::BreakerState::closed || now.mode == resilience::BreakerMode::disabled) {
    return weather;
  }
  const bool waited =
      now.state == resilience::BreakerState::half_open || (now.retry_at && *now.retry_at <= loop_.now());
  const bool probes = queue.fallback.probe && waited && now.mode == resilience::BreakerMode::automatic;
  weather.gate = probes ? QueueGate::probe : QueueGate::closed;
  return weather;
}

}  // namespace flotilla::events
