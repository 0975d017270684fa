// Views over a journal of several shards, whose leases come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/view_rig.hpp"

namespace flotilla::cqrs {
namespace {

using test::json_of;
using test::Rig;

constexpr std::uint32_t kShards = 4;
constexpr const char* kTotals =
    "totals: { from: [order.created, order.paid], key: .user_id, fold: '(. // 0) + $data.total' }";
constexpr const char* kNames =
    "totals: { from: [order.created, order.paid], key: .user_id, fold: '(. // []) + [$data.total]' }";

std::string order(const std::string& user, int total) {
  return "{\"user_id\":\"" + user + "\",\"total\":" + std::to_string(total) + "}";
}

TEST(SharedViews, FoldEventsOfAllShardsInTheOrderOfTheirTimes) {
  Rig rig(kShards);
  for (std::uint32_t i = 0; i < 12; ++i) {
    rig.publish(i % 2 == 0 ? "order.created" : "order.paid", order("u1", static_cast<int>(i)),
                (i * 3) % kShards);
  }
  rig.start(kNames);
  rig.run([&]() -> net::Task<> {
    const auto got = co_await rig.fresh("totals/u1");
    EXPECT_EQ(got.body, "[0,1,2,3,4,5,6,7,8,9,10,11]");
    EXPECT_EQ(got.headers.get("View-Position"), rig.end().text());
    rig.publish("order.paid", order("u1", 12), 2);
    rig.crash();
    rig.start(kNames);
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "[0,1,2,3,4,5,6,7,8,9,10,11,12]");
    EXPECT_EQ(json_of(co_await rig.operate("GET", "/totals"))["events"], json::Value(13));
    EXPECT_EQ((co_await rig.get("totals/u1", {{"Read-After", "9-1"}})).status, 400);
  });
}

TEST(SharedViews, AreFollowedWhereAnotherProcessRunsThem) {
  Rig rig(kShards);
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    const std::uint32_t home = home_shard("totals", kShards);
    const std::uint32_t other = (home + 1) % kShards;
    const auto first = rig.publish("order.created", order("u1", 5), other);
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, "5");
    rig.journal.lose(home);
    // What is in memory is not trusted from the moment on at which the lease is gone.
    const std::uint64_t before = rig.runner->find("totals")->reads().from_memory.load();
    auto got = co_await rig.get("totals/u1?wait=10s", {{"Read-After", first.text()}});
    EXPECT_EQ(got.body, "5");
    EXPECT_EQ(got.headers.get("View-Age"), "0");
    EXPECT_EQ(rig.runner->find("totals")->reads().from_memory.load(), before);
    co_await rig.until([&] {
      const ServingPtr serving = rig.runner->find("totals")->serving();
      return serving != nullptr && !serving->epoch();
    });
    EXPECT_EQ(json_of(co_await rig.operate("GET", "/totals"))["here"], json::Value(false));
    EXPECT_EQ((co_await rig.operate("POST", "/totals/rebuild")).status, 503);
    // Nothing of the view's topics: it has come so far without a word of its owner.
    const auto strange = rig.publish("parcel.sent", order("u1", 1), other);
    got = co_await rig.get("totals/u1?wait=10s", {{"Read-After", strange.text()}});
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.headers.get("View-Position"), rig.end().text());
    // Nobody folds this one.
    const auto paid = rig.publish("order.paid", order("u1", 7), other);
    got = co_await rig.get("totals/u1?wait=100ms", {{"Read-After", paid.text()}});
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.headers.get("Flotilla-Error"), "behind");
    got = co_await rig.get("totals/u1?wait=100ms&stale=ok", {{"Read-After", paid.text()}});
    EXPECT_EQ(got.body, "5");
    EXPECT_NE(got.headers.get("View-Age"), "0");
    rig.journal.begin_epoch(home);  // it runs here again
    got = co_await rig.get("totals/u1?wait=10s", {{"Read-After", paid.text()}});
    EXPECT_EQ(got.body, "12");
    EXPECT_EQ(json_of(co_await rig.operate("GET", "/totals"))["here"], json::Value(true));
  });
}

TEST(SharedViews, ALoserSavesNothingAndTheNextGoesOn) {
  Rig rig(kShards);
  rig.start(kTotals);
  rig.run([&]() -> net::Task<> {
    const std::uint32_t home = home_shard("totals", kShards);
    int sum = 0;
    for (int i = 1; i <= 20; ++i) {
      rig.publish("order.created", order("u1", i), static_cast<std::uint32_t>(i) % kShards);
      sum += i;
      rig.journal.lose(home);  // with whatever is under way
      if (i % 2 == 0) {
        co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(1));
      }
      rig.journal.begin_epoch(home);
    }
    EXPECT_EQ((co_await rig.fresh("totals/u1")).body, std::to_string(sum));
    EXPECT_EQ(json_of(co_await rig.operate("GET", "/totals"))["events"], json::Value(20));
  });
}

}  // namespace
}  // namespace flotilla::cqrs
