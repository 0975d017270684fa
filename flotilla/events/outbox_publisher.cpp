#include "flotilla/events/outbox_publisher.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"
#include "flotilla/http/retry_after.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using outbox_input::Answer;
using Kind = Answer::Kind;

class BatchRequest final : public call::Outgoing {
 public:
  BatchRequest(const outbox_effect::Publish& batch, const std::string& token) : token_(token) {
    method = http::Method::post;
    idempotency_key = true;  // each event's source and id are one
    target_ = "/v1/topics/";
    http::percent_encode_segment(target_, batch.topic);
    text_ = "[";
    for (const std::string& event : batch.events) {
      text_.append(text_.size() > 1 ? "," : "").append(event);
    }
    text_ += ']';
    body = text_;
  }

  void append_head(std::string& out, const call::AttemptInfo& info) override {
    fmt::format_to(std::back_inserter(out),
                   "POST {}{} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n"
                   "Content-Type: application/cloudevents-batch+json\r\n",
                   info.path_prefix, target_, info.authority);
    if (!token_.empty()) {
      fmt::format_to(std::back_inserter(out), "Authorization: Bearer {}\r\n", token_);
    }
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\nX-Request-Timeout-Ms: {}\r\n\r\n",
                   body.size(), std::max(to_millis(info.remaining), std::int64_t{1}));
  }
  [[nodiscard]] net::Task<bool> stream_body(net::Channel& /*to*/) override { co_return true; }
  [[nodiscard]] std::string stale_key() const override { return {}; }

 private:
  const std::string& token_;
  std::string target_;
  std::string text_;
};

// False when the answer broke off.
net::Task<bool> read_body(net::Loop& loop, call::LiveAnswer& live, Instant deadline, std::string& body) {
  http::Upstream& upstream = live.upstream();
  auto piece = upstream.arrived_body();
  for (;;) {
    if (!piece || body.size() + piece->size() > OutboxPublisher::kMostAnswer) {
      live.broken(loop.now());
      co_return false;
    }
    body.append(*piece);
    if (upstream.body_done()) {
      live.finish(loop.now());
      co_return true;
    }
    upstream.channel().set_deadline(deadline);
    piece = co_await upstream.read_body();
  }
}

Answer unavailable(std::uint64_t request, std::string detail) {
  return {.request = request,
          .kind = Kind::unavailable,
          .duplicates = 0,
          .retry_after = std::nullopt,
          .detail = std::move(detail)};
}

}  // namespace

Answer read_publish_answer(std::uint64_t request, std::size_t events, std::uint16_t status,
                           std::string_view body) {
  Answer answer = unavailable(request, fmt::format("status {}", status));
  const auto json = json::parse(body);
  if (status == 202) {
    if (!json || (*json)["events"].size() != events) {
      answer.detail = "it answered 202 without naming the events: is it a flotilla application API?";
      return answer;
    }
    answer.kind = Kind::published;
    for (const json::Value& event : (*json)["events"].items()) {
      answer.duplicates += event["duplicate"].is_true() ? 1U : 0U;
    }
    return answer;
  }
  if (json && (*json)["detail"].is_string()) {
    answer.detail = fmt::format("{} {}", status, (*json)["detail"].as_string());
  }
  if (status == 404) {
    answer.kind = Kind::no_topic;
  } else if (status == 400 || status == 413 || status == 422) {
    answer.kind = Kind::refused;
  }
  return answer;
}

net::Task<Answer> OutboxPublisher::publish(const outbox_effect::Publish& batch) {
  BatchRequest request(batch, token_);
  const Instant deadline = saturating_add(loop_.now(), timeout_);
  call::Answer called;
  co_await caller_.once(service_, request, deadline, called);
  call::LiveAnswer* const live = called.live();
  if (live == nullptr) {
    const call::Refusal& refusal = *called.refusal();
    Answer answer = unavailable(
        batch.request,
        fmt::format("{}{}{}", to_string(refusal.reason), refusal.detail.empty() ? "" : ": ", refusal.detail));
    if (refusal.retry_after > Duration::zero()) {
      answer.retry_after = refusal.retry_after;
    }
    co_return answer;
  }
  const std::uint16_t status = live->head().status;
  std::optional<Duration> retry_after;
  if (const auto wait = live->head().get(http::FieldId::retry_after)) {
    retry_after = http::read_retry_after(*wait, net::wall_now());
  }
  std::string body;
  if (!co_await read_body(loop_, *live, deadline, body)) {
    co_return unavailable(batch.request, "its answer broke off");
  }
  Answer answer = read_publish_answer(batch.request, batch.events.size(), status, body);
  answer.retry_after = retry_after;
  co_return answer;
}

}  // namespace flotilla::events
