#include "flotilla/events/queue_forward.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/events/core/queue_item.hpp"
#include "flotilla/http/client.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {
namespace {

constexpr std::string_view kSealHeader = "Flotilla-Seal";
constexpr Duration kPatience = std::chrono::seconds(10);
constexpr std::array<std::string_view, 6> kWhats{"queued", "duplicate", "key-reused",
                                                 "full",   "too-large", "failed"};

http::Request sealed(std::string target, std::string body, const Seal& seal) {
  http::Request request{
      .method = "POST", .target = std::move(target), .headers = {}, .body = std::move(body)};
  request.headers.add("Content-Type", "application/octet-stream");
  request.headers.add(std::string(kSealHeader), seal(request.target + "\n" + request.body));
  return request;
}

std::optional<Reason> parse_reason(std::string_view text) {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (to_string(static_cast<Reason>(i)) == text) {
      return static_cast<Reason>(i);
    }
  }
  return std::nullopt;
}

std::string text_of(const json::Value& value) {
  return value.is_string() ? std::string(value.as_string()) : std::string();
}

std::unexpected<Refusal> not_ours() {
  return refuse(Reason::unsupported, "another version of this program asks");
}

Asked<ForwardedToQueue> read_take(std::string queue, std::string_view body) {
  auto record = decode_accepted(body);
  const auto cause = record ? parse_reason(record->cause) : std::nullopt;
  if (!cause) {
    return not_ours();
  }
  ForwardedTake take{.queue = std::move(queue), .call = {.service = ServiceName(std::move(record->service))}};
  take.call.request = std::move(record->request);
  take.call.key = std::move(record->key);
  take.call.resendable = record->resendable;
  take.call.maybe_acted = record->certainty == Certainty::unknown;
  take.call.cause = *cause;
  return take;
}

}  // namespace

http::Request write_forwarded(ForwardedTake take, const Seal& seal) {
  const AcceptedRecord record{.id = {},
                              .key = std::move(take.call.key),
                              .service = take.call.service.value(),
                              .request = std::move(take.call.request),
                              .idempotency_key = {},
                              .resendable = take.call.resendable,
                              .certainty = take.call.maybe_acted ? Certainty::unknown : Certainty::never_sent,
                              .cause = std::string(to_string(take.call.cause)),
                              .expires = 0};
  return sealed(fmt::format("{}{}/take", kQueueForwardPath, take.queue), encode(record), seal);
}

http::Request write_forwarded(const ForwardedVerb& verb, const Seal& seal) {
  return sealed(fmt::format("{}{}/{}/{}", kQueueForwardPath, verb.queue, verb.id,
                            verb.verb == QueueVerb::retry ? "retry" : "remove"),
                verb.who_why, seal);
}

Asked<ForwardedToQueue> read_forwarded(const http::Request& request, const Seal& seal) {
  if (request.method != "POST" ||
      request.headers.get(kSealHeader).value_or("") != seal(request.target + "\n" + request.body)) {
    return refuse(Reason::forbidden, "only processes that share a journal ask here");
  }
  auto path = http::read_api_path(request.target, kQueueForwardPath.substr(0, kQueueForwardPath.size() - 1));
  if (!path) {
    return not_ours();
  }
  std::vector<std::string>& names = path->segments;
  if (names.size() == 2 && names[1] == "take") {
    return read_take(std::move(names[0]), request.body);
  }
  if (names.size() == 3 && (names[2] == "retry" || names[2] == "remove")) {
    return ForwardedVerb{.queue = std::move(names[0]),
                         .id = std::move(names[1]),
                         .verb = names[2] == "retry" ? QueueVerb::retry : QueueVerb::remove,
                         .who_why = request.body};
  }
  return not_ours();
}

json::Value write_answer(const call::Taken& taken) {
  return json::Value::object({{"taken", kWhats[static_cast<std::size_t>(taken.what)]},
                              {"id", taken.id},
                              {"detail", taken.detail},
                              {"maybe_kept", taken.maybe_kept}});
}

json::Value write_answer(const Asked<std::monostate>& done) {
  return done ? json::Value::object({{"done", true}})
              : json::Value::object({{"done", false},
                                     {"reason", to_string(done.error().reason)},
                                     {"detail", done.error().detail}});
}

std::optional<call::Taken> read_taken(const json::Value& value) {
  if (!value.is_object()) {
    return std::nullopt;
  }
  const auto* const what = std::ranges::find(kWhats, text_of(value["taken"]));
  if (what == kWhats.end()) {
    return std::nullopt;
  }
  return call::Taken{.what = static_cast<call::Taken::What>(what - kWhats.begin()),
                     .id = text_of(value["id"]),
                     .status_url = {},
                     .detail = text_of(value["detail"]),
                     .maybe_kept = value["maybe_kept"] == json::Value(true)};
}

std::optional<Asked<std::monostate>> read_done(const json::Value& value) {
  if (!value.is_object()) {
    return std::nullopt;
  }
  if (value["done"] == json::Value(true)) {
    return std::monostate{};
  }
  const auto reason = parse_reason(text_of(value["reason"]));
  if (!reason) {
    return std::nullopt;
  }
  return refuse(*reason, text_of(value["detail"]));
}

net::Task<std::expected<json::Value, NoAnswer>> ask_owner(journal::Journal& journal, std::uint32_t shard,
                                                          http::Request request) {
  const auto owner = journal.ownership().owner_address(shard);
  if (!owner) {
    co_return std::unexpected(NoAnswer{.why = owner.error().message, .reached = false});
  }
  constexpr std::string_view kScheme = "http://";
  const auto address = net::SocketAddress::parse(
      std::string_view(*owner).substr(owner->starts_with(kScheme) ? kScheme.size() : 0));
  if (!address) {
    co_return std::unexpected(NoAnswer{.why = address.error().message, .reached = false});
  }
  net::Loop& loop = *net::Loop::current();
  const auto response = co_await http::fetch(loop, *address, address->to_string(), std::move(request),
                                             {.deadline = saturating_add(loop.now(), kPatience)});
  if (!response) {
    co_return std::unexpected(NoAnswer{
        .why = fmt::format("{}, which runs the queue, does not answer: {}", *owner, response.error().message),
        .reached = true});
  }
  auto answer = json::parse(response->body);
  if (response->status != 200 || !answer) {
    co_return std::unexpected(
        NoAnswer{.why = fmt::format("{}, which runs the queue, answered {}", *owner, response->status),
                 .reached = false});
  }
  co_return *std::move(answer);
}

}  // namespace flotilla::events
