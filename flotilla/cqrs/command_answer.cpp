#include "flotilla/cqrs/command_answer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/idempotency_key.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

static_assert(kMaxCommandKey == http::kMaxIdempotencyKey);

constexpr std::size_t kMaxIdentifier = 128;

CommandRefusal malformed(std::string detail) {
  return {.reason = Reason::malformed, .detail = std::move(detail)};
}

std::expected<std::optional<std::uint64_t>, CommandRefusal> read_version(
    const std::vector<std::string_view>& fields) {
  if (fields.empty()) {
    return std::nullopt;
  }
  std::string_view text = trim(fields.front());
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) {
    text = text.substr(1, text.size() - 2);
  }
  const auto version = parse_int<std::uint64_t>(text);
  if (fields.size() > 1 || !version || *version > journal::kMaxNumber) {
    return std::unexpected(malformed(R"(If-Match: expected one version, such as "5", as ETag gave it)"));
  }
  return *version;
}

}  // namespace

std::string_view command_identifier(std::string_view header) noexcept {
  const bool plain = header.size() <= kMaxIdentifier &&
                     std::ranges::all_of(header, [](char c) { return c > ' ' && c < '\x7f'; });
  return plain ? header : std::string_view();
}

std::expected<CommandAsk, CommandRefusal> read_command(const CommandFields& fields, std::string_view body,
                                                       std::string principal) {
  CommandAsk ask{.principal = std::move(principal)};
  auto key = http::read_idempotency_key(fields.key);
  if (!key) {
    return std::unexpected(malformed(std::move(key.error())));
  }
  ask.key = std::move(*key);
  const auto version = read_version(fields.if_match);
  if (!version) {
    return std::unexpected(version.error());
  }
  ask.expected = *version;
  if (body.size() > kMaxCommand) {
    return std::unexpected(CommandRefusal{
        .reason = Reason::too_large,
        .detail = fmt::format("the body has {} bytes, at most {} are taken; store it and send a reference",
                              body.size(), kMaxCommand)});
  }
  auto command = json::parse(body);
  if (!command) {
    const bool deep = command.error().code == Errc::limit;
    return std::unexpected(CommandRefusal{.reason = deep ? Reason::too_large : Reason::malformed,
                                          .detail = "the body is not JSON: " + command.error().message});
  }
  ask.command = std::move(*command);
  return ask;
}

http::Response command_refusal(const CommandRefusal& refusal) {
  http::Response response =
      http::problem_response({.reason = refusal.reason,
                              .detail = refusal.detail,
                              .service = refusal.service,
                              .effect = refusal.effect,
                              .retry_after = http::retry_after_seconds(refusal.retry_after)});
  if (!refusal.code.empty()) {  // beside what every problem has
    response.body.pop_back();
    response.body += R"(,"code":)";
    json::append_quoted(response.body, refusal.code);
    response.body += '}';
  }
  return response;
}

http::Response command_answer(const CommandAnswer& answer) {
  http::Response response;
  if (!answer.outcome) {
    response = command_refusal(answer.outcome.error());
  } else {
    const CommandReply& reply = *answer.outcome;
    const std::string position = reply.position.text();
    std::string body;
    json::Writer out(body);
    out.begin_object().key("id").value(reply.id).key("version").value(reply.version);
    out.key("position").value(position).key("events").begin_array();
    for (const journal::Event& event : reply.events) {
      out.begin_object().key("id").value(event.attribute("id")).key("type").value(event.attribute("type"));
      out.key("data").raw(event.data).end();
    }
    out.end().end();
    response = http::json_response(std::move(body));
    response.headers.add("Position", position);
    response.headers.add("ETag", fmt::format("\"{}\"", reply.version));
  }
  if (answer.replayed) {
    response.headers.add("Idempotent-Replayed", "true");
  }
  return response;
}

}  // namespace flotilla::cqrs
