#include "flotilla/events/forward.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/topic_rig.hpp"
#include "flotilla/http/api_server.hpp"

namespace flotilla::events {
namespace {

using test::json_of;
using test::Rig;

TEST(Forward, PassesAPublicationOnToTheOwnerOnce) {
  Rig rig(4);
  const std::uint32_t home = home_shard("orders", 4);
  std::vector<http::Request> passed_on;
  http::ApiServer owner(
      *rig.loop, {}, [&](http::Request request, net::SocketAddress) -> net::Task<http::Response> {
        passed_on.push_back(request);
        co_return http::Response{.status = 202, .headers = {{"Position", "2-7"}}, .body = "{}"};
      });
  const auto at = owner.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(at);
  rig.run([&]() -> net::Task<> {
    (void)rig.journal.lose(home);
    const http::Response nobody = co_await rig.post("orders", "{}");
    EXPECT_EQ(nobody.status, 503);
    EXPECT_EQ(nobody.headers.get("Retry-After"), "1");

    std::vector<std::string> owners(4);
    owners[home] = "http://" + at->to_string();
    rig.journal.leases().set_owners(owners);
    const http::Response answer = co_await rig.post(
        "orders", R"({"n":1})", {{"ce-id", "a"}, {"Authorization", "Bearer t"}, {"Host", "a.example"}});
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(answer.headers.get("Position"), "2-7");
    EXPECT_EQ(passed_on.size(), 1U);
    EXPECT_EQ(passed_on.at(0).target, "/v1/topics/orders");
    EXPECT_EQ(passed_on.at(0).body, R"({"n":1})");
    EXPECT_EQ(passed_on.at(0).headers.get("Authorization"), "Bearer t");
    EXPECT_EQ(passed_on.at(0).headers.get("Host"), at->to_string());

    const http::Response again = co_await rig.post("orders", "{}", {{std::string(kForwardedHeader), "1"}});
    EXPECT_EQ(again.status, 503);
    EXPECT_EQ(passed_on.size(), 1U);
    rig.journal.begin_epoch(home);
    EXPECT_EQ((co_await rig.post("orders", "{}")).status, 202) << "it is ours again";
  });
}

}  // namespace
}  // namespace flotilla::events
