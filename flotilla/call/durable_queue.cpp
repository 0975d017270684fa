#include "flotilla/call/durable_queue.hpp"

#include <algorithm>
#include <array>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::call {
namespace {

constexpr std::size_t kMostKey = 256;
// Stands where the authority of an instance would; no host has such a name.
constexpr std::string_view kNoAuthority = "queued.invalid";
// What each attempt says anew, for its own connection and time.
constexpr std::array<std::string_view, 6> kOfAnAttempt{
    "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Expect", "X-Request-Timeout-Ms"};

// "Name: value" lines up to the empty one.
std::optional<http::Request> read_head(std::string_view head) {
  http::Request request;
  const std::size_t end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  if (end == std::string_view::npos || first == std::string_view::npos || second <= first) {
    return std::nullopt;
  }
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  for (std::size_t at = end + 2; at < head.size();) {
    const std::size_t stop = std::min(head.find("\r\n", at), head.size());
    const std::string_view field = head.substr(at, stop - at);
    at = stop + 2;
    const std::size_t colon = field.find(':');
    if (field.empty() || colon == std::string_view::npos) {
      continue;
    }
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = trim(field.substr(colon + 1));
    const bool ours =
        iequals(name, "Host") && value == kNoAuthority;  // where a route keeps the client's, it stays
    if (!ours &&
        std::ranges::none_of(kOfAnAttempt, [&](std::string_view each) { return iequals(each, name); })) {
      request.headers.add(std::string(name), std::string(value));
    }
  }
  return request;
}

}  // namespace

Result<std::string> ordering_key(const QueueFallback& queue, std::string_view body) {
  if (!queue.key) {
    return std::string();
  }
  const auto data = json::parse(body);
  if (!data) {
    return fail(Errc::invalid, "the body is no JSON: " + data.error().message);
  }
  const auto key = expr::evaluate_first(*queue.key, *data);
  if (!key) {
    return fail(Errc::invalid, "key: " + key.error().message());
  }
  if (key->is_null()) {
    return std::string();
  }
  std::string text = key->is_string() ? std::string(key->as_string()) : json::write(*key);
  if (text.size() > kMostKey) {
    return fail(Errc::invalid, "key: it is longer than an ordering key may be");
  }
  return text;
}

std::optional<http::Request> deferred_request(Outgoing& outgoing) {
  if (http::is_safe(outgoing.method) || outgoing.upgrade || outgoing.streams ||
      outgoing.body.size() > kMostQueuedBody) {
    return std::nullopt;
  }
  std::string head;
  outgoing.append_head(head, {.authority = kNoAuthority, .path_prefix = {}, .remaining = {}, .number = 1});
  if (head.size() > kMostQueuedHead) {
    return std::nullopt;
  }
  auto request = read_head(head);
  if (request) {
    request->body = outgoing.body;
  }
  return request;
}

}  // namespace flotilla::call
