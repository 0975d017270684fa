// Subscriptions that are declared at run time, over a journal in memory.
#include "flotilla/events/declared_subscriptions.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/subscription_rig.hpp"

namespace flotilla::events {
namespace {

using test::json_of;
using World = test::SubscriptionWorld;

constexpr const char* kFile = "charge: { topic: orders, deliver: POST pay/charge }";
constexpr const char* kMail = R"({"topic": "orders",
  "deliver": "POST mail/events", "from": "earliest"})";
constexpr const char* kAnn = R"({"who":"ann","why":"gone"})";

// How often that was sent.
std::ptrdiff_t times(const World& world, std::string_view what) {
  return std::ranges::count(world.subscriber->got, what);
}

// Until what is being forgotten is forgotten.
net::Task<> settle(World& world, std::string name) {
  for (const Instant deadline = world.loop->now() + test::kPatience; world.loop->now() < deadline;) {
    EXPECT_TRUE(co_await world.declared->tend());
    const auto answer = co_await world.ask("DELETE", name);
    if (answer.status == 404) {
      co_return;
    }
    co_await net::sleep_for(*world.loop, std::chrono::milliseconds(1));
  }
  ADD_FAILURE() << name << " is never forgotten";
}

TEST(DeclaredSubscriptions, RunAndAreThereAfterARestart) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    co_await world.publish("a", R"({"n":1})");
    auto answer = co_await world.ask("PUT", "mail", kMail);
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(json_of(answer)["source"], json::Value("api"));
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 200);
    co_await world.until([&] { return times(world, R"(/events {"n":1})") == 1; });
    world.runner->stop();
    world.subscriber->got.clear();
    world.start(kFile);
    co_await world.publish("a", R"({"n":2})");
    co_await world.until([&] { return times(world, R"(/events {"n":2})") == 1; });
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, BeginWhereTheyWereDeclaredAlsoWhenTheProcessDiesAtOnce) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    co_await world.publish("a", R"({"n":1})");
    world.declared->set({.has_service = [](const ServiceName&) { return true; },
                         .in_file = [](const std::string&) { return false; },
                         .file_count = [] { return 0U; },
                         .changed = [] {}});  // it dies before anything runs
    EXPECT_TRUE(
        co_await world.declared->put("mail", R"({"topic":"orders","deliver":"POST mail/new"})", "ann"));
    co_await world.publish("a", R"({"n":2})");
    world.runner->stop();
    world.subscriber->got.clear();
    world.start(kFile);
    co_await world.until([&] { return times(world, R"(/new {"n":2})") == 1; });
    EXPECT_EQ(times(world, R"(/new {"n":1})"), 0);
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, WhatIsWrongIsSaidAndChangesNothing) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    const struct {
      std::string name, body;
      std::uint16_t status;
      std::string says;
    } wrong[] = {
        {"charge", kMail, 409, "the file names subscription 'charge'"},
        {"mail", "{", 400, "not JSON"},
        {"mail", "[]", 422, "body:1:1"},
        {"mail", R"({"topic":"orders"})", 422, "deliver"},
        {"mail", R"({"topic":"orders","deliver":"POST mail/x","topik":"a"})", 422, "topic"},
        {"mail", "{\"topic\":\"orders\",\n\t\"deliver\":\"GET mail/x\"}", 422, "body:2:"},
        {"mail", R"({"topic":"orders","deliver":"POST mail/x","concurrency":0})", 422, "whole number"},
        {"mail", R"({"topic":"orders","deliver":"POST mail/x","filter":"${HOME}"})", 422, "HOME"},
        {"mail", R"({"topic":"orders","deliver":"POST nobody/x"})", 422, "no service 'nobody'"},
        {"a b", kMail, 422, "cannot be the name"},
        {"mail", std::string(70'000, ' '), 413, "at most"},
    };
    for (const auto& each : wrong) {
      const auto answer = co_await world.ask("PUT", each.name, each.body);
      EXPECT_EQ(answer.status, each.status) << each.body << ": " << answer.body;
      EXPECT_TRUE(answer.body.contains(each.says)) << answer.body;
    }
    EXPECT_EQ((co_await world.ask("DELETE", "charge")).status, 409);
    EXPECT_EQ((co_await world.ask("DELETE", "mail")).status, 404);
    EXPECT_EQ((co_await world.ask("GET", "mail")).status, 405);
    EXPECT_EQ((co_await world.runner->list()).size(), 1U);
    EXPECT_TRUE(world.declared->all().empty());
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, AnotherDeclarationReplacesTheOneBefore) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    EXPECT_EQ((co_await world.ask("PUT", "mail", R"({"topic":"orders","deliver":"POST mail/v2"})")).status,
              200);
    co_await world.publish("a", R"({"n":1})");
    co_await world.until([&] { return times(world, R"(/v2 {"n":1})") == 1; });
    const auto other = co_await world.ask("PUT", "mail", R"({"topic":"paid","deliver":"POST mail/v2"})");
    EXPECT_EQ(other.status, 409);
    EXPECT_TRUE(other.body.contains("topic orders")) << other.body;
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, DeletingForgetsWhereItStood) {
  World world(4);
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    co_await world.publish("a", R"({"n":1})");
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    EXPECT_TRUE(co_await world.declared->tend());
    co_await world.until([&] { return times(world, R"(/events {"n":1})") == 1; });
    EXPECT_EQ((co_await world.ask("DELETE", "mail")).status, 202);
    const auto busy = co_await world.ask("PUT", "mail", kMail);
    EXPECT_EQ(busy.status, 409) << busy.body;
    EXPECT_TRUE(busy.headers.contains("Retry-After"));
    co_await settle(world, "mail");
    // The topic may be another one now, and all of it comes again.
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    EXPECT_TRUE(co_await world.declared->tend());
    co_await world.until([&] { return times(world, R"(/events {"n":1})") == 2; });
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, ADeathWhileItIsForgottenLeavesNothingHalfDone) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    co_await world.until([&] { return world.runner->is_running("mail"); });
    EXPECT_EQ((co_await world.ask("DELETE", "mail")).status, 202);
    world.runner->stop();
    world.start(kFile);
    EXPECT_EQ((co_await world.runner->list()).size(), 1U);
    co_await settle(world, "mail");
    EXPECT_FALSE((co_await world.journal.cursor("subscription/mail")).value());
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, WhatTheFileHadOnceIsForgottenByAnOperator) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    co_await world.publish("a", R"({"n":1})");
    co_await world.until([&] { return world.subscriber->got.size() == 1; });
    EXPECT_EQ((co_await world.operate("charge/forget", kAnn)).status, 409);
    world.file.clear();
    world.runner->replace(world.merged());
    EXPECT_EQ((co_await world.operate("charge/forget", R"({"who":"ann"})")).status, 422);
    EXPECT_EQ((co_await world.operate("nobody/forget", kAnn)).status, 404);
    EXPECT_EQ((co_await world.operate("charge/forget", kAnn)).status, 202);
    co_await settle(world, "charge");
    EXPECT_FALSE((co_await world.journal.cursor("subscription/charge")).value());
    EXPECT_EQ((co_await world.operate("charge/forget", kAnn)).status, 404);
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, OneThatTheFileNamesLaterRests) {
  World world;
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    world.runner->stop();
    world.start("mail: { topic: orders, deliver: POST mail/file }");
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 409);
    EXPECT_EQ((co_await world.ask("DELETE", "mail")).status, 409);
    world.runner->stop();
  });
}

// It may have been forgotten elsewhere, and what was saved of it in that shard deleted.
TEST(DeclaredSubscriptions, BeginInAShardThatIsGainedOnceWhatIsDeclaredWasReadAgain) {
  World world(4);
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    EXPECT_TRUE(co_await world.declared->tend());
    co_await world.publish("k", R"({"n":1})");
    co_await world.until([&] { return times(world, R"(/events {"n":1})") == 1; });
    const std::uint32_t home = home_shard("orders", 4);
    world.journal.lose(home);
    co_await net::sleep_for(*world.loop, 2 * SubscriptionRunner::kLook);
    world.journal.begin_epoch(home);
    co_await world.publish("k", R"({"n":2})");
    co_await world.until(
        [&] { return times(world, R"(/charge {"n":2})") == 1; });  // the file's begins at once
    co_await net::sleep_for(*world.loop, 2 * SubscriptionRunner::kLook);
    EXPECT_EQ(times(world, R"(/events {"n":2})"), 0);
    EXPECT_TRUE(co_await world.declared->tend());
    co_await world.until([&] { return times(world, R"(/events {"n":2})") == 1; });
    world.runner->stop();
  });
}

TEST(DeclaredSubscriptions, OtherProcessesLearnOfThem) {
  World world(4);
  world.run([&]() -> net::Task<> {
    world.start(kFile);
    DeclaredSubscriptions other(world.journal, *world.runner);
    int changes = 0;
    other.set({.has_service = [](const ServiceName&) { return true; },
               .in_file = [](const std::string&) { return false; },
               .file_count = [] { return 0U; },
               .changed = [&] { ++changes; }});
    EXPECT_EQ((co_await world.ask("PUT", "mail", kMail)).status, 201);
    EXPECT_TRUE(co_await other.tend());
    EXPECT_EQ(changes, 1);
    EXPECT_EQ(other.all().size(), 1U);
    EXPECT_TRUE(co_await other.tend());
    EXPECT_EQ(changes, 1);
    EXPECT_EQ((co_await world.ask("DELETE", "mail")).status, 202);
    EXPECT_TRUE(co_await other.tend());
    EXPECT_TRUE(other.all().empty());
    // What was written elsewhere meanwhile is no ground for writing over it.
    co_await settle(world, "mail");
    EXPECT_TRUE(co_await other.tend());
    EXPECT_TRUE(co_await other.put("mail", kMail, "bob"));
    const auto late = co_await world.ask("PUT", "mail", R"({"topic":"orders","deliver":"POST mail/v2"})");
    EXPECT_EQ(late.status, 409) << late.body;
    world.runner->stop();
  });
}

}  // namespace
}  // namespace flotilla::events
