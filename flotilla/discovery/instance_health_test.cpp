#include "flotilla/discovery/instance_health.hpp"

#include <map>

#include <gtest/gtest.h>

#include "flotilla/http/api_server.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::discovery {
namespace {

using namespace std::chrono_literals;

TEST(InstanceHealth, TellsTheFirstResultAndEachChange) {
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
  InstanceHealth health(
      **loop, **resolver,
      [&](const HealthTarget& target, bool healthy, const std::string& detail) {
        told += target.service + (healthy ? " up at " : " down at ") + std::to_string(probes) + "; ";
        EXPECT_TRUE(detail.contains(healthy ? ": 200 OK" : ": 503 Service Unavailable")) << detail;
        if (probes == 4) {
          (*loop)->stop();
        }
      },
      1);
  health.follow(
      {{.service = "monolith", .host = "127.0.0.1", .port = at->port(), .path = "/health", .every = 20ms}});
  (*loop)->run();
  EXPECT_EQ(told, "monolith up at 1; monolith down at 2; monolith up at 4; ");
}

TEST(InstanceHealth, AsksWhatItFollowsAndNothingElse) {
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.has_value());
  auto resolver = net::Resolver::create(**loop);
  ASSERT_TRUE(resolver.has_value());
  std::map<std::string, int> probes;
  http::ApiServer service(**loop, {},
                          [&](http::Request request, net::SocketAddress) -> net::Task<http::Response> {
                            ++probes[std::string(request.target)];
                            co_return http::Response{.status = 204};
                          });
  const auto at = service.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(at.has_value());
  const auto target = [&](std::string path) {
    return HealthTarget{.service = "s", .host = "127.0.0.1", .port = at->port(), .path = path, .every = 5ms};
  };
  int told = 0;
  InstanceHealth health(**loop, **resolver, [&](auto&, bool, auto&) { ++told; }, 1);
  health.follow({target("/stays"), target("/goes")});
  net::Scope steps;
  steps.spawn([](auto& running, auto& seen, auto& watched, auto make) -> net::Task<> {
    const auto probed = [&](const char* path, int times) -> net::Task<> {
      for (const int from = seen[path]; seen[path] < from + times;) {
        co_await net::sleep_for(running, 1ms);
      }
    };
    co_await probed("/goes", 1);
    watched.follow({make("/stays"), make("/comes")});
    co_await probed("/comes", 1);
    const int gone = seen["/goes"];  // one may have been under way
    co_await probed("/stays", 3);
    EXPECT_LE(seen["/goes"], gone + 1);
    watched.follow({});
    running.stop();
  }(**loop, probes, health, target));
  (*loop)->run();
  EXPECT_EQ(told, 3);  // the first result of each
}

}  // namespace
}  // namespace flotilla::discovery
