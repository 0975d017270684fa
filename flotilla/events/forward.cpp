#include "flotilla/events/forward.hpp"

#include <string>

#include <fmt/format.h>

#include "flotilla/events/answers.hpp"
#include "flotilla/http/client.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {
namespace {

http::Response moving(std::string detail) {
  return refusal_answer({.reason = Reason::store_unavailable,
                         .detail = std::move(detail),
                         .retry_after = std::chrono::seconds(1)});
}

}  // namespace

net::Task<http::Response> forward_to_owner(journal::Journal& journal, std::uint32_t shard,
                                           http::Request request) {
  if (request.headers.contains(kForwardedHeader)) {
    co_return moving("the topic's shard has just moved to another process");
  }
  const auto owner = journal.ownership().owner_address(shard);
  if (!owner) {
    co_return moving(owner.error().message);
  }
  constexpr std::string_view kScheme = "http://";
  const auto address = net::SocketAddress::parse(
      std::string_view(*owner).substr(owner->starts_with(kScheme) ? kScheme.size() : 0));
  if (!address) {
    co_return moving(address.error().message);
  }
  request.headers.remove("Host");
  request.headers.add(std::string(kForwardedHeader), "1");
  net::Loop& loop = *net::Loop::current();
  auto response = co_await http::fetch(loop, *address, address->to_string(), std::move(request),
                                       {.deadline = saturating_add(loop.now(), kForwardPatience)});
  if (!response) {
    co_return moving(
        fmt::format("the owner of the topic's shard, {}, does not answer, so it is not known whether the "
                    "events were kept: {}",
                    *owner, response.error().message));
  }
  for (const char* const field : {"Connection", "Date", "Server", "Content-Length", "Transfer-Encoding"}) {
    response->headers.remove(field);  // of that connection; the server writes its own
  }
  co_return std::move(*response);
}

}  // namespace flotilla::events
