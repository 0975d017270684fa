#include "flotilla/saga/forward.hpp"

#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"

namespace flotilla::saga {
namespace {

using json::Value;

Value duration(Duration length) { return Value(to_millis(length)); }

Duration duration_of(const Value& value) { return std::chrono::milliseconds(value.as_int().value_or(0)); }

// Empty where there is none.
std::string text_of(const Value& value, std::string_view member) {
  const Value& text = value[member];
  return text.is_string() ? std::string(text.as_string()) : std::string();
}

// The callback's body is a service's, and need not be text.
std::string escaped(std::string_view bytes) {
  std::string out;
  http::percent_encode_segment(out, bytes);
  return out;
}

struct Writer {
  Value operator()(const StartRequest& in) const {
    return Value::object({{"op", "start"},
                          {"name", in.name},
                          {"principal", in.principal},
                          {"key", in.key},
                          {"input", in.input},
                          {"trace", in.trace},
                          {"correlation", in.correlation},
                          {"wait", duration(in.wait)}});
  }
  Value operator()(const CancelRequest& in) const {
    return Value::object({{"op", "cancel"}, {"saga", in.saga.text()}, {"who", in.who}, {"why", in.why}});
  }
  Value operator()(const SignalRequest& in) const {
    return Value::object({{"op", "signal"},
                          {"saga", in.saga.text()},
                          {"name", in.name},
                          {"id", in.id},
                          {"payload", in.payload}});
  }
  Value operator()(const OperateRequest& in) const {
    const Value seq = in.expected_seq ? Value(*in.expected_seq) : Value();
    return Value::object({{"op", "operate"},
                          {"saga", in.saga.text()},
                          {"verb", to_string(in.verb)},
                          {"step", in.step},
                          {"who", in.who},
                          {"why", in.why},
                          {"expected_seq", seq},
                          {"payload", in.payload},
                          {"has_payload", in.has_payload},
                          {"version", in.version}});
  }
  Value operator()(const CallbackRequest& in) const {
    return Value::object(
        {{"op", "callback"}, {"key", in.key}, {"outcome", in.outcome}, {"body", escaped(in.body)}});
  }
};

Value write_view(const SagaView& view) {
  return Value::object({{"id", view.id.text()},
                        {"state", view.state},
                        {"terminal", Value(view.terminal)},
                        {"body", view.body}});
}

Asked<SagaView> read_view(const Value& value) {
  const auto id = SagaId::parse(text_of(value, "id"));
  if (!id) {
    return std::unexpected(
        SagaProblem{.reason = Reason::bad_answer, .detail = "the saga's owner answered what is no saga"});
  }
  return SagaView{.id = *id,
                  .state = text_of(value, "state"),
                  .terminal = value["terminal"].is_true(),
                  .body = value["body"]};
}

std::optional<SagaProblem> read_problem(const Value& value) {
  const Value* const problem = value.find("problem");
  if (problem == nullptr) {
    return std::nullopt;
  }
  SagaProblem read{.reason = Reason::bad_answer,
                   .detail = text_of(*problem, "detail"),
                   .status = static_cast<std::uint16_t>((*problem)["status"].as_int().value_or(0)),
                   .retry_after = duration_of((*problem)["retry_after"])};
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (to_string(static_cast<Reason>(i)) == text_of(*problem, "reason")) {
      read.reason = static_cast<Reason>(i);
    }
  }
  return read;
}

std::optional<Forwarded> read_operate(const Value& value, SagaId saga) {
  const auto verb = parse_verb(text_of(value, "verb"));
  if (!verb) {
    return std::nullopt;
  }
  OperateRequest request{.saga = saga,
                         .verb = *verb,
                         .step = text_of(value, "step"),
                         .who = text_of(value, "who"),
                         .why = text_of(value, "why"),
                         .expected_seq = {},
                         .payload = value["payload"],
                         .has_payload = value["has_payload"].is_true(),
                         .version = text_of(value, "version")};
  if (const auto seq = value["expected_seq"].as_int()) {
    request.expected_seq = static_cast<std::uint64_t>(*seq);
  }
  return request;
}

}  // namespace

std::string seal(const KeyMaterial& material, std::string_view bytes) {
  return fmt::format("{:016x}", siphash(material, bytes));
}

Value write_forwarded(const Forwarded& request) { return std::visit(Writer{}, request); }

std::optional<Forwarded> read_forwarded(const Value& value) {
  const std::string op = text_of(value, "op");
  if (op == "start") {
    return StartRequest{.name = text_of(value, "name"),
                        .principal = text_of(value, "principal"),
                        .key = text_of(value, "key"),
                        .input = value["input"],
                        .trace = text_of(value, "trace"),
                        .correlation = text_of(value, "correlation"),
                        .wait = duration_of(value["wait"])};
  }
  if (op == "callback") {
    auto body = http::percent_decode(text_of(value, "body"));
    return body ? std::optional<Forwarded>(CallbackRequest{.key = text_of(value, "key"),
                                                           .outcome = text_of(value, "outcome"),
                                                           .body = *std::move(body)})
                : std::nullopt;
  }
  const auto saga = SagaId::parse(text_of(value, "saga"));
  if (!saga) {
    return std::nullopt;
  }
  if (op == "cancel") {
    return CancelRequest{.saga = *saga, .who = text_of(value, "who"), .why = text_of(value, "why")};
  }
  if (op == "signal") {
    return SignalRequest{.saga = *saga,
                         .name = text_of(value, "name"),
                         .id = text_of(value, "id"),
                         .payload = value["payload"]};
  }
  return op == "operate" ? read_operate(value, *saga) : std::nullopt;
}

Value write_answer(const StartResult& result) {
  return Value::object({{"saga", write_view(result.saga)}, {"existing", Value(result.existing)}});
}
Value write_answer(const CancelResult& result) {
  return Value::object({{"saga", write_view(result.saga)}, {"pivot_decides", Value(result.pivot_decides)}});
}
Value write_answer(const SignalResult& result) {
  return Value::object({{"duplicate", Value(result.duplicate)}});
}
Value write_answer(const SagaView& view) { return Value::object({{"saga", write_view(view)}}); }
Value write_answer(const std::monostate& /*nothing*/) { return Value::object(); }
Value write_answer(const SagaProblem& problem) {
  return Value::object({{"problem", Value::object({{"reason", to_string(problem.reason)},
                                                   {"detail", problem.detail},
                                                   {"status", Value(problem.status)},
                                                   {"retry_after", duration(problem.retry_after)}})}});
}

template <>
Asked<SagaView> read_answer(const Value& value) {
  if (auto problem = read_problem(value)) {
    return std::unexpected(*std::move(problem));
  }
  return read_view(value["saga"]);
}
template <>
Asked<StartResult> read_answer(const Value& value) {
  auto view = read_answer<SagaView>(value);
  if (!view) {
    return std::unexpected(std::move(view).error());
  }
  return StartResult{.saga = *std::move(view), .existing = value["existing"].is_true()};
}
template <>
Asked<CancelResult> read_answer(const Value& value) {
  auto view = read_answer<SagaView>(value);
  if (!view) {
    return std::unexpected(std::move(view).error());
  }
  return CancelResult{.saga = *std::move(view), .pivot_decides = value["pivot_decides"].is_true()};
}
template <>
Asked<SignalResult> read_answer(const Value& value) {
  if (auto problem = read_problem(value)) {
    return std::unexpected(*std::move(problem));
  }
  return SignalResult{.duplicate = value["duplicate"].is_true()};
}
template <>
Asked<std::monostate> read_answer(const Value& value) {
  if (auto problem = read_problem(value)) {
    return std::unexpected(*std::move(problem));
  }
  return std::monostate();
}

}  // namespace flotilla::saga
