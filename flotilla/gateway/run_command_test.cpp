// The action `command` over a socket, with commands over a journal in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/command_rig.hpp"
#include "flotilla/gateway/gateway_config_reader.hpp"
#include "flotilla/gateway/gateway_fixture.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// What a client gets for each of `requests`, in order.
std::vector<Got> ask(cqrs::test::CommandRig& commands, std::vector<std::string> requests,
                     std::string path = "/add", std::vector<std::string> trusted = {}) {
  commands.runner = std::make_unique<cqrs::CommandRunner>(commands.journal, 1, "");
  std::vector<Got> got;
  Rig rig({.script = always(answer(200, "")),
           .trusted = std::move(trusted),
           .action = CommandConfig{.command = "add", .where = "f:1:1"},
           .path = std::move(path),
           .named = {.compositions = {}, .sagas = {}, .views = {}, .commands = {"add"}},
           .commands = commands.runner.get()});
  rig.run([&](Rig& r) -> net::Task<> {
    commands.runner->start(cqrs::make_command_table(cqrs::test::aggregates(cqrs::test::kAccounts)),
                           {{.loop = &r.loop(), .checks = commands.checks}});
    for (const std::string& request : requests) {
      got.push_back(co_await r.ask(request));
    }
    commands.runner->stop();
  });
  return got;
}

TEST(RunCommand, AnswersAsTheApiDoes) {
  cqrs::test::CommandRig commands;
  const auto got = ask(commands, {post("/add", R"({"id":"a","by":1})", "Idempotency-Key: k\r\n"),
                                  post("/add", R"({"id":"a","by":1})", "Idempotency-Key: k\r\n"),
                                  post("/add", R"({"id":"a","by":100})"), post("/add", "{"),
                                  post("/add", R"({"id":"a","by":1})", "If-Match: \"0\"\r\n"), get("/add")});
  ASSERT_EQ(got.size(), 6U);
  EXPECT_THAT(got[0].bytes, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(
      got[0].body(),
      R"({"id":"a","version":1,"position":"0-3","events":[{"id":"account/a/1","type":"added","data":{"by":1}}]})");
  EXPECT_TRUE(got[0].has("\r\nPosition: 0-3\r\n"));
  EXPECT_TRUE(got[0].has("\r\nETag: \"1\"\r\n"));
  EXPECT_EQ(got[1].body(), got[0].body());
  EXPECT_TRUE(got[1].has("\r\nIdempotent-Replayed: true\r\n"));
  EXPECT_THAT(got[2].bytes, StartsWith("HTTP/1.1 422 "));
  EXPECT_THAT(got[2].bytes, HasSubstr(R"("code":"full")"));
  EXPECT_THAT(got[3].bytes, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(got[4].bytes, StartsWith("HTTP/1.1 409 "));
  EXPECT_TRUE(got[5].has("\r\nAllow: POST\r\n"));
}

TEST(RunCommand, BelievesOnlyTrustedPeersWhatItIsPartOf) {
  const std::string request = post("/add", R"({"id":"a","by":1})", "Correlation-Id: mine\r\n");
  for (const bool trusted : {false, true}) {
    cqrs::test::CommandRig commands;
    (void)ask(commands, {request}, "/add",
              trusted ? std::vector<std::string>{"127.0.0.0/8"} : std::vector<std::string>());
    std::string correlation;
    commands.journal.read(
        journal::CategoryQuery{.record_class = journal::RecordClass::topic, .category = "added"},
        [&](Result<journal::Page> page) {
          correlation = journal::decode_event(page->records.at(0)->record.body)->attribute("correlationid");
        });
    EXPECT_EQ(correlation, trusted ? "mine" : "account/a/1");
  }
}

TEST(RunCommand, ACommandThatThereIsNotIsFoundWhenTheFileIsRead) {
  GatewayConfig config;
  config.routes.push_back(
      {.match = {.path = "/add"}, .action = CommandConfig{.command = "ad", .where = "f:3:7"}});
  const auto compiled = compile_gateway(
      config, {.compositions = {}, .sagas = {}, .views = {}, .commands = {"add"}}, {}, 1, nullptr);
  ASSERT_FALSE(compiled.has_value());
  EXPECT_EQ(compiled.error().message, "f:3:7: no command is named 'ad'; did you mean 'add'?");
}

}  // namespace
}  // namespace flotilla::gateway
