#include "flotilla/cqrs/command_forward.hpp"

#include <fmt/format.h>

#include "flotilla/http/client.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::cqrs {
namespace {

CommandAnswer moving(std::string detail, Effect effect = Effect::none) {
  return {.outcome = std::unexpected(CommandRefusal{.reason = Reason::store_unavailable,
                                                    .detail = std::move(detail),
                                                    .effect = effect,
                                                    .retry_after = std::chrono::seconds(1)})};
}

std::string text_of(const json::Value& value) {
  return value.is_string() ? std::string(value.as_string()) : std::string();
}

CommandRefusal read_problem(const json::Value& body) {
  CommandRefusal refusal{.reason = Reason::bad_answer,
                         .detail = text_of(body["detail"]),
                         .code = text_of(body["code"]),
                         .service = text_of(body["service"])};
  const std::string reason = text_of(body["reason"]);
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (to_string(static_cast<Reason>(i)) == reason) {
      refusal.reason = static_cast<Reason>(i);
    }
  }
  for (const Effect effect : {Effect::none, Effect::unknown, Effect::done}) {
    if (body["effect"].is_string() && body["effect"].as_string() == to_string(effect)) {
      refusal.effect = effect;
    }
  }
  refusal.retry_after = std::chrono::seconds(body["retry_after"].as_int().value_or(0));
  return refusal;
}

std::optional<CommandReply> read_reply(const json::Value& body) {
  const auto position = journal::Position::parse(text_of(body["position"]));
  const auto version = body["version"].as_int();
  if (!position || !version || *version < 0 || !body["events"].is_array()) {
    return std::nullopt;
  }
  CommandReply reply{.id = text_of(body["id"]),
                     .version = static_cast<std::uint64_t>(*version),
                     .position = *position,
                     .events = {}};
  for (const json::Value& each : body["events"].items()) {
    reply.events.push_back({.attributes = {{"id", text_of(each["id"])}, {"type", text_of(each["type"])}},
                            .data = json::write(each["data"])});
  }
  return reply;
}

}  // namespace

http::Request forwarded_request(const std::string& token, const std::string& command, const CommandAsk& ask) {
  http::Request request{.method = "POST",
                        .target = "/v1/commands/" + command,
                        .headers = {{"Content-Type", "application/json"}},
                        .body = json::write(ask.command)};
  request.headers.add(std::string(kForwardedCommand), ask.principal);
  const auto field = [&](const char* name, const std::string& value) {
    if (!value.empty()) {
      request.headers.add(name, value);
    }
  };
  field("Authorization", token.empty() ? std::string() : "Bearer " + token);
  std::string quoted;
  for (const char c : ask.key) {
    quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  field("Idempotency-Key", ask.key.empty() ? std::string() : "\"" + quoted + "\"");
  field("If-Match", ask.expected ? fmt::format("\"{}\"", *ask.expected) : std::string());
  field("Correlation-Id", ask.correlation);
  field("Causation-Id", ask.causation);
  field("traceparent", ask.traceparent);
  return request;
}

CommandAnswer read_forwarded(const http::Response& response) {
  CommandAnswer answer{.outcome = CommandReply{},
                       .replayed = response.headers.contains("Idempotent-Replayed")};
  const json::Value body = json::parse(response.body).value_or(json::Value());
  if (response.status != 200) {
    answer.outcome = std::unexpected(read_problem(body));
    return answer;
  }
  auto reply = read_reply(body);
  if (!reply) {
    return moving("the owner of the aggregate's shard answered what is no answer to a command",
                  Effect::unknown);
  }
  answer.outcome = std::move(*reply);
  return answer;
}

net::Task<CommandAnswer> forward_command(Result<std::string> owner, std::string token, std::string command,
                                         CommandAsk ask, bool again) {
  if (again) {
    co_return moving("the aggregate's shard has just moved to another process");
  }
  if (!owner) {
    co_return moving(owner.error().message);
  }
  constexpr std::string_view kScheme = "http://";
  const auto address = net::SocketAddress::parse(
      std::string_view(*owner).substr(owner->starts_with(kScheme) ? kScheme.size() : 0));
  if (!address) {
    co_return moving(address.error().message);
  }
  net::Loop& loop = *net::Loop::current();
  const auto response =
      co_await http::fetch(loop, *address, address->to_string(), forwarded_request(token, command, ask),
                           {.deadline = saturating_add(loop.now(), kCommandPatience)});
  if (!response) {
    co_return moving(
        fmt::format("the owner of the aggregate's shard, {}, does not answer, so it is not known "
                    "whether the command was executed: {}",
                    *owner, response.error().message),
        Effect::unknown);
  }
  co_return read_forwarded(*response);
}

}  // namespace flotilla::cqrs
