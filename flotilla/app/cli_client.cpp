#include "flotilla/app/cli_client.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/client.hpp"
#include "flotilla/http/core/authority.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::app {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::size_t kMostToken = 4096;

}  // namespace

Result<HttpPlace> parse_http_url(const std::string& option, const std::string& url) {
  constexpr std::string_view scheme = "http://";
  std::string_view rest = url;
  if (rest.starts_with(scheme)) {
    rest.remove_prefix(scheme.size());
    if (rest.ends_with('/')) {
      rest.remove_suffix(1);
    }
    if (const auto authority = http::parse_authority(rest); authority && !authority->host.empty()) {
      std::string_view host = authority->host;
      if (host.starts_with('[')) {
        host = host.substr(1, host.size() - 2);
      }
      return HttpPlace{std::string(rest), std::string(host), authority->port.value_or(kHttpPort)};
    }
  }
  return fail(Errc::invalid, fmt::format("{} {}: expected http://HOST:PORT", option, url));
}

Result<std::string> read_token_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, kMostToken + 1> buffer{};
  file.read(buffer.data(), buffer.size());
  if (file.bad() || !file.is_open()) {
    return fail(Errc::io, fmt::format("--token-file {}: cannot be read", path));
  }
  std::string_view token(buffer.data(), static_cast<std::size_t>(file.gcount()));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) {
    token.remove_suffix(1);
  }
  const bool visible = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (token.empty() || token.size() > kMostToken || !visible) {
    return fail(Errc::invalid,
                fmt::format("--token-file {}: expected one line of at most {} visible ASCII characters", path,
                            kMostToken));
  }
  return std::string(token);
}

namespace {

// A name may have addresses that nothing listens on: the first that answers counts.
net::Task<Result<http::Response>> ask(net::Loop& loop, net::Resolver& resolver, const HttpPlace& place,
                                      const http::Request& request) {
  const Instant deadline = loop.now() + kAskTimeout;
  const auto addresses = co_await resolver.resolve(place.host, place.port, deadline);
  if (!addresses) {
    co_return std::unexpected(addresses.error());
  }
  Result<http::Response> answer = fail(Errc::unavailable, "the name has no address");
  for (const net::SocketAddress& address : *addresses) {
    answer = co_await http::fetch(loop, address, place.authority, request, {.deadline = deadline});
    // A connection that was reset may have acted: what is not a GET is sent once.
    if (answer || answer.error().code != Errc::unavailable || request.method != "GET") {
      break;
    }
  }
  co_return answer;
}

}  // namespace

Result<http::Response> ask_admin(const AdminTarget& target, http::Request request) {
  const auto place = parse_http_url("--admin", target.url);
  if (!place) {
    return std::unexpected(place.error());
  }
  if (!target.token_file.empty()) {
    const auto token = read_token_file(target.token_file);
    if (!token) {
      return std::unexpected(token.error());
    }
    request.headers.set("Authorization", "Bearer " + *token);
  }
  const auto loop = net::Loop::create();
  if (!loop) {
    return std::unexpected(loop.error());
  }
  const auto resolver = net::Resolver::create(**loop);
  if (!resolver) {
    return std::unexpected(resolver.error());
  }
  Result<http::Response> answer = fail(Errc::unavailable, "not asked");
  net::Scope scope;
  const auto run = [&]() -> net::Task<> {
    answer = co_await ask(**loop, **resolver, *place, request);
    (*loop)->stop();
  };
  (*loop)->post([&] { scope.spawn(run()); });
  (*loop)->run();
  if (!answer) {
    return fail(answer.error().code, fmt::format("cannot ask {}: {}; is `flotilla up` running there?",
                                                 target.url, answer.error().message));
  }
  return answer;
}

}  // namespace flotilla::app
