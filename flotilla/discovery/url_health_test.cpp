#include "flotilla/discovery/url_health.hpp"

#include <gtest/gtest.h>

#include "flotilla/http/api_server.hpp"

namespace flotilla::discovery {
namespace {

using namespace std::chrono_literals;

TEST(UrlHealth, TellsEachChangeOnce) {
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.has_value());
  auto resolver = net::Resolver::create(**loop);
  ASSERT_TRUE(resolver.has_value());
  int probes = 0;
  // Up, down twice, then up for good.
  http::ApiServer service(
      **loop, {}, [&](http::Request request, net::SocketAddress) -> net::Task<http::Response> {
        EXPECT_EQ(request.target, "/health");
        ++probes;
        co_return http::Response{.status =
                                     static_cast<std::uint16_t>(probes == 2 || probes == 3 ? 503 : 200)};
      });
  const auto at = service.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(at.has_value());
  std::string told;
  UrlHealth health(
      **loop, **resolver,
      {{.service = "monolith", .host = "127.0.0.1", .port = at->port(), .path = "/health", .every = 20ms}},
      [&](const UrlHealthTarget& target, bool healthy, const std::string& detail) {
        told += target.service + (healthy ? " up at " : " down at ") + std::to_string(probes) + "; ";
        EXPECT_TRUE(detail.contains(healthy ? ": 200 OK" : ": 503 Service Unavailable")) << detail;
        if (healthy) {
          (*loop)->stop();
        }
      },
      1);
  (*loop)->run();
  EXPECT_EQ(told, "monolith down at 2; monolith up at 4; ");
}

}  // namespace
}  // namespace flotilla::discovery
