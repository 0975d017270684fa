#include "flotilla/discovery/registry_server.hpp"

#include <gtest/gtest.h>

#include "flotilla/http/client.hpp"

namespace flotilla::discovery {
namespace {

using namespace std::chrono_literals;

struct World {
  net::Loop& loop;
  Directory& directory;
  net::SocketAddress registry;
  net::SocketAddress service;
};

net::Task<http::Response> ask(const World& world, std::string method, std::string target,
                              std::string body = {}) {
  http::Request request{
      .method = std::move(method), .target = std::move(target), .headers = {}, .body = std::move(body)};
  auto response = co_await http::fetch(world.loop, world.registry, "registry", std::move(request),
                                       {.deadline = world.loop.now() + 10s});
  EXPECT_TRUE(response.has_value());
  co_return response ? std::move(*response) : http::Response{};
}

// Plays `story` against a registry and a service that answers 200, all on one loop.
template <class Story>
void play(Story story) {
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.has_value());
  auto resolver = net::Resolver::create(**loop);
  ASSERT_TRUE(resolver.has_value());
  Directory directory;
  RegistryServer registry(**loop, **resolver, directory, {});
  http::ApiServer server(**loop, {}, registry.handler());
  http::ApiServer service(**loop, {}, [](http::Request, net::SocketAddress) -> net::Task<http::Response> {
    co_return http::Response{.body = "fine"};
  });
  const auto at = server.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  const auto service_at = service.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(at.has_value() && service_at.has_value());
  const World world{**loop, directory, *at, *service_at};
  net::Scope scope;
  auto main = [](const World& w, Story& tell) -> net::Task<> {
    co_await tell(w);
    w.loop.stop();
  };
  (*loop)->post([&] { scope.spawn(main(world, story)); });
  (*loop)->run();
}

TEST(RegistryServer, PublishesBeforeItAnswersAndWakesReadersWhenAProbePasses) {
  play([](const World& world) -> net::Task<> {
    const std::string port = std::to_string(world.service.port());
    const auto registered =
        co_await ask(world, "PUT", "/v1/agent/service/register",
                     R"({"Name":"Cart","Port":)" + port + R"(,"Checks":[{"HTTP":"http://localhost:)" + port +
                         R"(/up","Interval":"10s"},{"TCP":"127.0.0.1:)" + port + R"(","Interval":"10s"}]})");
    EXPECT_EQ(registered.status, 200);
    EXPECT_NE(world.directory.find(ServiceName("cart")), nullptr) << "known, though critical until probed";
    auto response = co_await ask(world, "GET", "/v1/health/service/cart?passing");
    for (int wakes = 0; response.body == "[]" && wakes < 5; ++wakes) {
      const std::string index(*response.headers.get("X-Consul-Index"));
      response = co_await ask(world, "GET", "/v1/health/service/cart?passing&wait=8s&index=" + index);
    }
    EXPECT_TRUE(response.body.contains("200 OK Output: fine")) << response.body;
    EXPECT_TRUE(response.body.contains("Success")) << response.body;
    const auto instances = world.directory.find(ServiceName("cart"));
    EXPECT_TRUE(instances != nullptr && instances->size() == 1 &&
                instances->front().port == world.service.port());
    EXPECT_EQ((co_await ask(world, "PUT", "/v1/agent/service/deregister/Cart")).status, 200);
    EXPECT_EQ(world.directory.find(ServiceName("cart")), nullptr);
  });
}

TEST(RegistryServer, LetsATtlLapseOnItsOwnTime) {
  play([](const World& world) -> net::Task<> {
    static_cast<void>(
        co_await ask(world, "PUT", "/v1/agent/service/register",
                     R"({"Name":"cart","Port":80,"Check":{"TTL":"100ms","Status":"passing"}})"));
    const auto before = world.directory.find(ServiceName("cart"));
    EXPECT_TRUE(before != nullptr && before->size() == 1);
    const auto response = co_await ask(world, "GET", "/v1/health/service/cart?index=2&wait=5s");
    EXPECT_TRUE(response.body.contains("TTL expired")) << response.body;
    EXPECT_TRUE(world.directory.find(ServiceName("cart"))->empty());
  });
}

}  // namespace
}  // namespace flotilla::discovery
