#include "flotilla/events/operator_api.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/topic_rig.hpp"

namespace flotilla::events {
namespace {

using test::json_of;
using test::Rig;

TEST(TopicsOperatorApi, CountsEvents) {
  Rig rig(4);
  OperatorApi door(rig.topics, rig.journal);
  const auto ask = [&](std::string target, std::string method = "GET") {
    return door.handle({.method = std::move(method), .target = std::move(target), .headers = {}, .body = {}},
                       net::SocketAddress());
  };
  rig.run([&]() -> net::Task<> {
    for (std::uint64_t n = 0; n <= 20; ++n) {
      const auto shown = co_await ask("/api/v1/topics/orders");
      EXPECT_EQ(json_of(shown)["events"].as_int(), n) << shown.body;
      (void)co_await rig.post("orders", "{}");
    }
    const auto list = co_await ask("/api/v1/topics");
    EXPECT_EQ(list.status, 200);
    const json::Value items = json_of(list)["items"];
    EXPECT_EQ(items.size(), 2U);
    EXPECT_EQ(items[0]["name"], json::Value("audit"));
    EXPECT_EQ(items[0]["events"].as_int(), 0);
    EXPECT_TRUE(items[0]["retain"].is_null());
    EXPECT_EQ(items[1]["events"].as_int(), 21);
    EXPECT_EQ((co_await ask("/api/v1/topics/none")).status, 404);
    EXPECT_EQ((co_await ask("/api/v1/topics/orders/x")).status, 404);
    EXPECT_EQ((co_await ask("/api/v1/topics", "POST")).status, 405);
  });
}

}  // namespace
}  // namespace flotilla::events
