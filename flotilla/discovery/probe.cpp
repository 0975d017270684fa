#include "flotilla/discovery/probe.hpp"

#include <utility>

#include "flotilla/discovery/core/probe_url.hpp"
#include "flotilla/http/client.hpp"
#include "flotilla/http/core/status.hpp"
#include "flotilla/net/channel.hpp"

namespace flotilla::discovery {
namespace {

// Probes read at most this much of an answer.
constexpr std::size_t kMostProbeBody = std::size_t{1} << 20U;

http::Request probe_request(const HttpProbe& probe, const ProbeUrl& url) {
  http::Request request{.method = probe.method, .target = url.target, .headers = {}, .body = probe.body};
  for (const auto& [name, value] : probe.headers) {
    request.headers.add(name, value);
  }
  if (!request.headers.contains("User-Agent")) {
    request.headers.add("User-Agent", "Consul Health Check");
  }
  if (!request.headers.contains("Accept")) {
    request.headers.add("Accept", "text/plain, text/*, */*");
  }
  return request;
}

}  // namespace

net::Task<ProbeResult> run_probe(net::Loop& loop, net::Resolver& resolver, const TargetGuard* guard,
                                 StartProbe start) {
  const auto* http = std::get_if<HttpProbe>(&start.what);
  std::string host;
  std::uint16_t port = 0;
  ProbeUrl url;
  if (http != nullptr) {
    auto parsed = parse_probe_url(http->url);
    if (!parsed) {
      co_return ProbeResult{.error = parsed.error().message};
    }
    url = *std::move(parsed);
    host = url.host;
    port = url.port;
  } else {
    host = std::get<TcpProbe>(start.what).host;
    port = std::get<TcpProbe>(start.what).port;
  }
  const auto addresses = co_await resolver.resolve(host, port, start.deadline);
  if (!addresses) {
    co_return ProbeResult{.error = addresses.error().message};
  }
  std::string error;
  for (const net::SocketAddress& address : *addresses) {
    // The name was judged at registration; what it resolves to is judged now, each time.
    if (guard != nullptr) {
      if (const auto allowed = guard->check_host(address.ip(), address.port()); !allowed) {
        error = allowed.error().message;
        continue;
      }
    }
    if (http == nullptr) {
      const auto channel = co_await net::connect(loop, address, start.deadline);
      if (channel) {
        co_return ProbeResult{};
      }
      error = net::to_string(channel.error());
      continue;
    }
    auto response = co_await http::fetch(loop, address, url.authority, probe_request(*http, url),
                                         {.deadline = start.deadline, .most_body = kMostProbeBody});
    if (response) {
      co_return ProbeResult{.status = response->status,
                            .reason = std::string(http::reason_phrase(response->status)),
                            .body = std::move(response->body)};
    }
    error = response.error().message;
  }
  co_return ProbeResult{.error = error};
}

}  // namespace flotilla::discovery
