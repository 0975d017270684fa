#include "flotilla/events/delivery_attempt.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/http/retry_after.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using Kind = DeliveryAnswer::Kind;

// Attributes are lower-case letters and digits by the standard; whatever else was let in stays out of heads.
bool is_field_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); });
}

bool is_field_value(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
}

class EventRequest final : public call::Outgoing {
 public:
  EventRequest(const Attempt& attempt, const std::function<bool()>& wanted)
      : attempt_(attempt), wanted_(wanted) {
    method = http::method_from(attempt.subscription.deliver->method());
    idempotency_key = true;  // ce-id is one
    body = attempt.send.event->data;
  }

  void append_head(std::string& out, const call::AttemptInfo& info) override {
    const auto line = [&out](std::string_view name, std::string_view value) {
      if (is_field_value(value)) {
        out.append(name).append(": ").append(value).append("\r\n");
      }
    };
    const journal::Event& event = *attempt_.send.event;
    fmt::format_to(std::back_inserter(out), "{} {}{} HTTP/1.1\r\n", attempt_.subscription.deliver->method(),
                   info.path_prefix, attempt_.target);
    line("Host", info.authority);
    line("Accept", "application/json");
    line("ce-specversion", "1.0");
    for (const auto& [name, value] : event.attributes) {
      if (is_field_name(name) && name != "datacontenttype") {
        line("ce-" + name, ce_value(value));
      }
    }
    const std::string_view content = event.attribute("datacontenttype");
    line("Content-Type", content.empty() ? "application/json" : content);
    line("traceparent", event.attribute("traceparent"));
    line("Correlation-Id", event.attribute("correlationid"));
    line("Event-Subscription", attempt_.subscription.policy.name);
    line("Event-Attempt", std::to_string(attempt_.send.attempt));
    line("Event-Delivery", attempt_.delivery);
    if (attempt_.send.replay) {
      line("Event-Replay", "true");
    }
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\nX-Request-Timeout-Ms: {}\r\n\r\n",
                   body.size(), std::max(to_millis(info.remaining), std::int64_t{1}));
  }
  [[nodiscard]] bool wanted() const override { return wanted_(); }
  [[nodiscard]] net::Task<bool> stream_body(net::Channel& /*to*/) override { co_return true; }
  [[nodiscard]] std::string stale_key() const override { return {}; }

 private:
  const Attempt& attempt_;
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

DeliveryAnswer read_head(const http::ResponseHead& got) {
  DeliveryAnswer head{.kind = Kind::status, .status = got.status};
  const auto source = got.get("Platform-Source");
  head.from_platform = (source && iequals(*source, "gateway")) || got.get("Flotilla-Error").has_value();
  if (const auto outcome = got.get("Event-Outcome")) {
    head.outcome = parse_event_outcome(*outcome);
  }
  if (const auto wait = got.get(http::FieldId::retry_after)) {
    head.retry_after = http::read_retry_after(*wait, net::wall_now());
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
    body.append(piece->substr(0, kMaxAnswer + 1 - body.size()));
    if (upstream.body_done()) {
      live.finish(loop.now());
      co_return true;
    }
    if (body.size() > kMaxAnswer) {
      live.finish(loop.now());  // it answered; that we do not want all of it is no failure of its
      upstream.close();
      co_return true;
    }
    upstream.channel().set_deadline(deadline);
    piece = co_await upstream.read_body();
  }
}

}  // namespace

net::Task<input::Answer> CallDelivery::deliver(const Attempt& attempt, std::function<bool()> wanted) {
  const std::shared_ptr<const call::ServiceTable> services = services_();
  input::Answer answer{.token = attempt.send.token, .head = {.kind = Kind::not_sent}};
  call::WorkerService* const service = services->find(attempt.subscription.deliver->service());
  if (service == nullptr) {
    co_return answer;
  }
  EventRequest request(attempt, wanted);
  const Instant deadline = saturating_add(loop_.now(), attempt.subscription.policy.timeout);
  call::Answer called;
  co_await caller_.once(*service, request, deadline, called);
  call::LiveAnswer* const live = called.live();
  if (live == nullptr) {
    answer.head = of_refusal(*called.refusal());
    co_return answer;
  }
  answer.head = read_head(live->head());
  if (!co_await read_body(loop_, *live, deadline, answer.body)) {
    answer.head = {.kind = Kind::lost};
    answer.body.clear();
  }
  co_return answer;
}

std::string ce_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '"' || c == '%') {
      fmt::format_to(std::back_inserter(out), "%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace flotilla::events
