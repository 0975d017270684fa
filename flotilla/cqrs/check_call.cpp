#include "flotilla/cqrs/check_call.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

// A service says why in words; so many bytes of them are passed on.
constexpr std::size_t kMaxMessage = 512;

// A check as it is sent, and sent again.
class CheckRequest final : public call::Outgoing {
 public:
  CheckRequest(const Check& check, const CommandAsk& ask, std::string key, std::string target,
               http::Fields fields, std::string content)
      : check_(check),
        ask_(ask),
        key_(std::move(key)),
        target_(std::move(target)),
        fields_(std::move(fields)),
        content_(std::move(content)) {
    method = http::method_from(check.call.method());
    idempotency_key = true;
    body = content_;
  }

  void append_head(std::string& out, const call::AttemptInfo& info) override {
    const auto line = [&out](std::string_view name, std::string_view value) {
      if (!value.empty()) {
        out.append(name).append(": ").append(value).append("\r\n");
      }
    };
    fmt::format_to(std::back_inserter(out), "{} {}{} HTTP/1.1\r\n", check_.call.method(), info.path_prefix,
                   target_);
    line("Host", info.authority);
    line("Accept", fields_.contains("Accept") ? "" : "application/json");
    line("Idempotency-Key", key_);
    line("traceparent", ask_.traceparent);
    line("Correlation-Id", fields_.contains("Correlation-Id") ? "" : ask_.correlation);
    for (const http::Field& field : fields_) {
      line(field.name, field.value);
    }
    if (!content_.empty()) {
      line("Content-Type", "application/json");
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", content_.size());
    }
    fmt::format_to(std::back_inserter(out), "X-Request-Timeout-Ms: {}\r\n\r\n",
                   std::max(to_millis(info.remaining), std::int64_t{1}));
  }
  [[nodiscard]] net::Task<bool> stream_body(net::Channel& /*to*/) override { co_return true; }
  [[nodiscard]] std::string stale_key() const override { return {}; }

 private:
  const Check& check_;
  const CommandAsk& ask_;
  const std::string key_;
  const std::string target_;
  const http::Fields fields_;
  const std::string content_;
};

CommandRefusal failed(const Check& check, Reason reason, std::string detail, Effect effect,
                      Duration retry_after = Duration::zero()) {
  return {.reason = reason,
          .detail = std::move(detail),
          .code = {},
          .service = check.call.service().value(),
          .effect = effect,
          .retry_after = retry_after};
}

// False when the answer broke off. Of a long one the beginning is kept.
net::Task<bool> read_body(net::Loop& loop, call::LiveAnswer& live, std::string& body) {
  http::Upstream& upstream = live.upstream();
  auto piece = upstream.arrived_body();
  for (;;) {
    if (!piece) {
      live.broken(loop.now());
      co_return false;
    }
    body.append(piece->substr(0, kMaxCheckAnswer - std::min(body.size(), kMaxCheckAnswer)));
    if (upstream.body_done()) {
      live.finish(loop.now());
      co_return true;
    }
    if (body.size() >= kMaxCheckAnswer) {
      live.finish(loop.now());  // it answered; that we do not want all of it is no failure of its
      upstream.close();
      co_return true;
    }
    piece = co_await upstream.read_body();
  }
}

std::string text_of(const json::Value& value, std::size_t most) {
  return value.is_string() ? std::string(value.as_string().substr(0, most)) : std::string();
}

}  // namespace

std::optional<CommandRefusal> judge_check(const Check& check, std::uint16_t status, std::string_view body) {
  if (status / 100 == 2) {
    return std::nullopt;
  }
  const std::string& service = check.call.service().value();
  std::string detail = fmt::format("the check {} was answered {}", check.call.text(), status);
  if (status == 429) {
    return failed(check, Reason::rate_limited, std::move(detail), Effect::none);
  }
  if (status / 100 != 4 || status == 408 || status == 425) {
    return failed(check, Reason::bad_answer, std::move(detail), Effect::unknown);
  }
  const json::Value said = json::parse(body).value_or(json::Value());
  const json::Value& nested = said["error"];
  std::string code = text_of(said["code"], kMaxCode);
  std::string message;
  for (const json::Value* each : {&nested["message"], &said["message"], &said["detail"]}) {
    message = message.empty() ? text_of(*each, kMaxMessage) : message;
  }
  code = code.empty() ? text_of(nested["code"], kMaxCode) : code;
  return CommandRefusal{.reason = Reason::refused,
                        .detail = message.empty() ? std::move(detail) : std::move(message),
                        .code = code.empty() ? "check-refused" : std::move(code),
                        .service = service,
                        .effect = Effect::none};
}

net::Task<std::optional<CommandRefusal>> CallCheck::check(const Check& check, const CommandAsk& ask,
                                                          std::string key) {
  const std::shared_ptr<const call::ServiceTable> services = services_();
  call::WorkerService* const service = services == nullptr ? nullptr : services->find(check.call.service());
  if (service == nullptr) {
    co_return failed(check, Reason::no_instance, "the file does not name the service any more", Effect::none);
  }
  const json::Value none = json::Value::object();
  const call::RequestScope scope{
      .input = ask.command, .path = none, .query = none, .headers = none, .body = none};
  auto target = check.call.render(scope);
  if (!target) {
    co_return CommandRefusal{
        .reason = Reason::invalid,
        .detail = fmt::format("the check {}: {}", check.call.text(), target.error().message)};
  }
  http::Fields fields;
  for (const auto& [name, text] : check.headers) {
    auto value = text.render(scope);
    if (!value) {
      co_return CommandRefusal{.reason = Reason::invalid,
                               .detail = fmt::format("the header {} of the check {}: {}", name,
                                                     check.call.text(), value.error().message)};
    }
    fields.add(name, std::move(*value));
  }
  json::Value body = ask.command;
  if (check.body) {
    auto made = expr::evaluate_first(*check.body, ask.command);
    if (!made) {
      co_return CommandRefusal{
          .reason = Reason::invalid,
          .detail = fmt::format("the body of the check {}: {}", check.call.text(), made.error().message())};
    }
    body = std::move(*made);
  }
  const bool bare = !check.body && (check.call.method() == "GET" || check.call.method() == "HEAD");
  CheckRequest request(check, ask, std::move(key), std::move(*target), std::move(fields),
                       bare ? std::string() : json::write(body));
  const Instant deadline =
      check.timeout == Duration::zero() ? kNever : saturating_add(loop_.now(), check.timeout);
  call::Answer answer;
  co_await caller_.call(*services, *service, request, deadline, answer);
  if (call::LiveAnswer* const live = answer.live()) {
    const std::uint16_t status = live->head().status;
    std::string said;
    if (!co_await read_body(loop_, *live, said)) {
      co_return failed(check, Reason::reset,
                       fmt::format("the answer to the check {} broke off", check.call.text()),
                       Effect::unknown);
    }
    co_return judge_check(check, status, said);
  }
  if (const call::FallbackAnswer* const fallback = answer.fallback()) {
    co_return judge_check(check, fallback->response.status, fallback->response.body);
  }
  const call::Refusal& refusal = *answer.refusal();
  co_return failed(check, refusal.reason, fmt::format("the check {}: {}", check.call.text(), refusal.detail),
                   refusal.effect, refusal.retry_after);
}

}  // namespace flotilla::cqrs
