#include "flotilla/saga/attempt.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/call/core/call_template.hpp"
#include "flotilla/http/retry_after.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::saga {
namespace {

// What a service may say about the outcome, and the problem types that decide (verdict.cpp): kept as
// literals, because the answer may wait in the engine longer than the connection's buffer.
constexpr std::string_view kOutcomes[] = {"ok", "refused", "retry", "pending", "unknown", "null-undo"};
constexpr std::string_view kProblems[] = {"key-reused", "outstanding"};

class SagaRequest final : public call::Outgoing {
 public:
  SagaRequest(const effect::Send& send, std::string_view callback, const std::function<bool()>& wanted)
      : send_(send), callback_(callback), wanted_(wanted) {
    method = http::method_from(send.request->method);
    idempotency_key = true;
    body = send.request->body;
  }

  void append_head(std::string& out, const call::AttemptInfo& attempt) override {
    path_prefix_ = attempt.path_prefix;
    const auto line = [&out](std::string_view name, std::string_view value) {
      out.append(name).append(": ").append(value).append("\r\n");
    };
    const RenderedRequest& request = *send_.request;
    fmt::format_to(std::back_inserter(out), "{} {}{} HTTP/1.1\r\n", request.method, attempt.path_prefix,
                   request.target);
    line("Host", attempt.authority);
    line("Accept", "application/json");
    for (const auto& [name, value] : request.headers) {
      line(name, value);
    }
    for (const auto& [name, value] : send_.headers) {
      line(name, value);
    }
    if (!callback_.empty() && send_.op != Op::status) {
      out.append("Saga-Callback: ").append(callback_).append(send_.key).append("\r\n");
    }
    if (!body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
    }
    fmt::format_to(std::back_inserter(out), "X-Request-Timeout-Ms: {}\r\n\r\n",
                   std::max(to_millis(attempt.remaining), std::int64_t{1}));
  }
  [[nodiscard]] bool wanted() const override { return wanted_(); }
  [[nodiscard]] net::Task<bool> stream_body(net::Channel&) override { co_return true; }
  [[nodiscard]] std::string stale_key() const override { return {}; }

  // Of the instance that was called last.
  [[nodiscard]] std::string_view path_prefix() const noexcept { return path_prefix_; }

 private:
  const effect::Send& send_;
  std::string_view callback_;
  const std::function<bool()>& wanted_;
  std::string path_prefix_;
};

template <std::size_t N>
std::string_view literal(const std::string_view (&words)[N], std::string_view said) {
  const auto* const found = std::ranges::find(words, said);
  return found == std::end(words) ? std::string_view() : *found;
}

void read_problem(std::string_view body, AnswerHead& head) {
  const auto problem = json::parse(body);
  if (!problem) {
    return;
  }
  if (const json::Value& type = (*problem)["type"]; type.is_string()) {
    for (const std::string_view known : kProblems) {
      if (type.as_string().ends_with(known)) {
        head.problem_type = known;
      }
    }
  }
  const json::Value& effect = (*problem)["effect"];
  head.marked_not_sent = head.from_platform && effect.is_string() && effect.as_string() == "none";
}

input::Answer of_refusal(const effect::Send& send, const call::Refusal& refusal) {
  const bool sent = refusal.effect != flotilla::Effect::none;
  input::Answer answer{.saga = send.saga, .token = send.token};
  answer.head.kind = sent ? AnswerHead::Kind::lost : AnswerHead::Kind::not_sent;
  answer.held_back = !sent && !refusal.policy.empty();
  if (refusal.retry_after > Duration::zero()) {
    answer.head.retry_after = refusal.retry_after;
  }
  return answer;
}

struct Hints {
  bool is_problem = false;
  std::string location;
};

Hints read_head(const http::ResponseHead& got, std::string_view path_prefix, AnswerHead& head) {
  head.kind = AnswerHead::Kind::status;
  head.status = got.status;
  if (const auto outcome = got.get("Saga-Outcome")) {
    head.outcome = literal(kOutcomes, to_lower(trim(*outcome)));
  }
  const auto source = got.get("Platform-Source");
  head.from_platform = (source && iequals(*source, "gateway")) || got.get("Flotilla-Error").has_value();
  if (const auto wait = got.get(http::FieldId::retry_after)) {
    head.retry_after = http::read_retry_after(*wait, net::wall_now());
  }
  Hints hints;
  const auto type = got.get("Content-Type");
  hints.is_problem = type && to_lower(*type).find("problem+json") != std::string::npos;
  if (const auto location = got.get("Location"); location && got.status == 202) {
    hints.location = poll_target(*location, path_prefix);
  }
  return hints;
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
    body.append(piece->substr(0, kMaxPayload + 1 - body.size()));
    if (upstream.body_done()) {
      live.finish(loop.now());
      co_return true;
    }
    if (body.size() > kMaxPayload) {
      live.finish(loop.now());  // it answered; that we do not want all of it is no failure of its
      upstream.close();
      co_return true;
    }
    upstream.set_deadline(deadline);
    piece = co_await upstream.read_body();
  }
}

}  // namespace

net::Task<input::Answer> CallCarrier::carry(const effect::Send& send, std::string_view callback,
                                            std::function<bool()> wanted) {
  const std::shared_ptr<const call::ServiceTable> services = services_();
  input::Answer answer{.saga = send.saga, .token = send.token};
  call::WorkerService* const service = services->find(ServiceName(send.request->service));
  if (service == nullptr) {
    answer.head.kind = AnswerHead::Kind::not_sent;
    co_return answer;
  }
  SagaRequest request(send, callback, wanted);
  const Instant deadline = saturating_add(loop_.now(), send.timeout);
  call::Answer called;
  co_await caller_.once(*service, request, deadline, called);
  call::LiveAnswer* const live = called.live();
  if (live == nullptr) {
    co_return of_refusal(send, *called.refusal());
  }
  Hints hints = read_head(live->head(), request.path_prefix(), answer.head);
  if (!co_await read_body(loop_, *live, deadline, answer.body)) {
    answer.head = {.kind = AnswerHead::Kind::lost};
    answer.body.clear();
    co_return answer;
  }
  answer.location = std::move(hints.location);
  if (hints.is_problem) {
    read_problem(answer.body, answer.head);
  }
  co_return answer;
}

std::string poll_target(std::string_view location, std::string_view path_prefix) {
  if (const std::size_t scheme = location.find("://"); scheme != std::string_view::npos) {
    location.remove_prefix(std::min(location.find('/', scheme + 3), location.size()));
  }
  location = location.substr(0, location.find('#'));
  if (!path_prefix.empty() && location.starts_with(path_prefix)) {
    location.remove_prefix(path_prefix.size());
  }
  const bool clean = std::ranges::all_of(location, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!location.starts_with('/') || location.size() > call::kMaxTargetBytes || !clean) {
    return {};
  }
  return std::string(location);
}

}  // namespace flotilla::saga
