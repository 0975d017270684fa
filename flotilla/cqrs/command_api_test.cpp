// The application API of commands, over a journal in memory.
#include "flotilla/cqrs/command_api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/command_rig.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::cqrs {
namespace {

using journal::RecordClass;
using test::CommandRig;
using test::kAccounts;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string header(const http::Response& response, std::string_view name) {
  return std::string(response.headers.get(name).value_or("(none)"));
}

TEST(CommandApi, AnswersWithVersionPositionAndEvents) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    auto answer = co_await rig.post("add", R"({"id":"a","by":1.50})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(
        answer.body,
        R"({"id":"a","version":1,"position":"0-2","events":[{"id":"account/a/1","type":"added","data":{"by":1.50}}]})");
    EXPECT_EQ(header(answer, "Position"), "0-2");
    EXPECT_EQ(header(answer, "ETag"), "\"1\"");
    EXPECT_EQ(header(answer, "Idempotent-Replayed"), "(none)");
    answer = co_await rig.post("add", R"({"id":7,"by":1})");
    EXPECT_THAT(answer.body, HasSubstr(R"("id":"7","version":1)"));
    // The copy in the topic is the aggregate's record.
    const auto topic = co_await rig.records(RecordClass::topic, "added");
    const auto stream = co_await rig.records(RecordClass::aggregate, "");
    EXPECT_EQ(topic.size(), 2U);
    EXPECT_EQ(topic[0]->record.body, stream[0]->record.body);
    EXPECT_EQ(topic[0]->position.text(), "0-2");
  });
}

TEST(CommandApi, EventsSayWhereTheyComeFrom) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    (void)co_await rig.post("add", R"({"id":"a","by":1})",
                            {{"Correlation-Id", "c-1"}, {"Causation-Id", "no good"}, {"traceparent", trace}});
    const auto topic = co_await rig.records(RecordClass::topic, "added");
    const auto event = journal::decode_event(topic.at(0)->record.body);
    EXPECT_EQ(event->attribute("source"), "/aggregates/account");
    EXPECT_EQ(event->attribute("type"), "added");
    EXPECT_EQ(event->attribute("subject"), "a");
    EXPECT_EQ(event->attribute("partitionkey"), "a");
    EXPECT_EQ(event->attribute("correlationid"), "c-1");
    EXPECT_EQ(event->attribute("causationid"), "account/a/1");
    EXPECT_EQ(event->attribute("traceparent"), trace);
  });
}

TEST(CommandApi, FoldsOldEventsInTheirNewestForm) {
  CommandRig rig;
  const std::string file = R"yaml(account:
  evolve: '{cents: ((.cents // 0) + $data.cents)}'
  snapshot_every: 2
  upcast: { added: ['{cents: (.by * 100)}', '. + {seen: $event.subject}'] }
  commands:
    add: { id: .id, decide: '[{type: "added", data: {cents: $command.cents, seen: "x"}}]' }
    look: { id: .id, decide: '{error: {code: "seen", message: "\(.cents)"}}' })yaml";
  rig.run(kAccounts, [&]() -> net::Task<> {
    for (int i = 0; i < 4; ++i) {  // a snapshot of the old fold
      (void)co_await rig.post("add", R"({"id":"a","by":2})");
    }
    rig.start(file);
    EXPECT_THAT((co_await rig.post("look", R"({"id":"a"})")).body, HasSubstr(R"("detail":"800")"));
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","cents":5})")).status, 200);
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","cents":6})")).status, 200);
    EXPECT_THAT((co_await rig.post("look", R"({"id":"a"})")).body, HasSubstr(R"("detail":"811")"));
    // What was kept is as it was; what is new says its form.
    const auto topic = co_await rig.records(RecordClass::topic, "added");
    EXPECT_EQ(topic.size(), 6U);
    EXPECT_EQ(journal::decode_event(topic.at(0)->record.body)->data, R"({"by":2})");
    EXPECT_EQ(journal::decode_event(topic.at(0)->record.body)->attribute("dataversion"), "");
    EXPECT_EQ(journal::decode_event(topic.at(5)->record.body)->attribute("dataversion"), "3");
    // An older file does not know the form, and says so instead of folding what it does not understand.
    rig.start(kAccounts);
    const auto older = co_await rig.post("add", R"({"id":"a","by":1})");
    EXPECT_EQ(older.status, 503);
    EXPECT_THAT(older.body, HasSubstr("event 5 of account 'a' cannot be folded"));
    EXPECT_THAT(older.body, HasSubstr("a newer file wrote it"));
  });
}

TEST(CommandApi, RefusesWithTheCodeOfTheDecision) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    const auto answer = co_await rig.post("add", R"({"id":"a","by":101})");
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(answer.body, R"({"type":"urn:flotilla:refused","title":"The request was refused","status":422,)"
                           R"("detail":"too much","reason":"refused","effect":"none","code":"full"})");
    EXPECT_THAT(co_await rig.records(RecordClass::aggregate, ""), IsEmpty());
    EXPECT_EQ((co_await rig.post("look", R"({"id":"a"})")).body,
              R"({"id":"a","version":0,"position":"0","events":[]})");
  });
}

TEST(CommandApi, SaysWhatIsWrongWithARequest) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    struct {
      const char* command;
      const char* body;
      http::Fields fields;
      int status;
      const char* says;
    } const cases[] = {
        {"nothing", "{}", {}, 404, "the file names no command 'nothing'"},
        {"add", "{", {}, 400, "the body is not JSON"},
        {"add", "{}", {}, 422, "the body is not what command add takes: "},
        {"add", R"({"id":null,"by":1})", {}, 422, "id: it gives null, and must give text"},
        {"add", R"({"id":"","by":1})", {}, 422, "id: it gives an empty text"},
        {"add", R"({"id":"a","by":"x"})", {}, 422, "command add cannot be decided: "},
        {"odd", R"({"id":"a"})", {}, 422, "it gives null; it must give [{type, data}, ...]"},
        {"add",
         R"({"id":"a","by":1})",
         {{"Idempotency-Key", "a b"}},
         400,
         "Idempotency-Key: expected 1 to 255"},
        {"add", R"({"id":"a","by":1})", {{"If-Match", "*"}}, 400, "If-Match: expected one version"},
    };
    for (const auto& c : cases) {
      const auto answer = co_await rig.post(c.command, c.body, c.fields);
      EXPECT_EQ(answer.status, c.status) << c.says;
      EXPECT_THAT(answer.body, HasSubstr(c.says));
    }
    EXPECT_EQ((co_await rig.post("add/more", "{}")).status, 404);
    EXPECT_EQ((co_await rig.post("%zz", "{}")).status, 400);
    const auto longer = co_await rig.post("add", std::string(kMaxCommand + 1, ' '));
    EXPECT_EQ(longer.status, 413);
    CommandApi api(*rig.runner);
    const auto got =
        co_await api.handle({.method = "GET", .target = "/v1/commands/add"}, net::SocketAddress());
    EXPECT_EQ(header(got, "Allow"), "POST");
    EXPECT_THAT(co_await rig.records(RecordClass::aggregate, ""), IsEmpty());
  });
}

TEST(CommandApi, AKeyHasOneAnswer) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    const http::Fields key{{"Idempotency-Key", "\"k 1\""}};
    const auto first = co_await rig.post("add", R"({"id":"a","by":1})", key);
    (void)co_await rig.post("add", R"({"id":"a","by":2})");
    auto again = co_await rig.post("add", R"({"by":1,"id":"a"})", key);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(header(again, "ETag"), "\"1\"");
    EXPECT_EQ(header(again, "Position"), header(first, "Position"));
    EXPECT_EQ(header(again, "Idempotent-Replayed"), "true");
    EXPECT_THAT((co_await rig.post("add", R"({"id":"a","by":3})", key)).body,
                HasSubstr(R"("reason":"key-reused")"));
    // Of another command it is another key; and so is that of another principal.
    EXPECT_EQ((co_await rig.post("look", R"({"id":"a"})", key)).status, 200);
    EXPECT_EQ((co_await rig.post("look", R"({"id":"a"})", key)).body,
              R"({"id":"a","version":2,"position":"0-6","events":[]})");
    // After a restart, too, and whatever the file decides by then.
    rig.start("account: { evolve: '{sum: 100}', commands: { add: { id: .id, decide: '[]' } } }");
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})", key)).body, first.body);
    EXPECT_EQ((co_await rig.records(RecordClass::topic, "added")).size(), 2U);
  });
}

TEST(CommandApi, ARefusalIsKeptUnderItsKey) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    const http::Fields key{{"Idempotency-Key", "k"}};
    (void)co_await rig.post("add", R"({"id":"a","by":100})");
    const auto first = co_await rig.post("add", R"({"id":"a","by":1})", key);
    EXPECT_EQ(first.status, 422);
    (void)co_await rig.post("add", R"({"id":"a","by":-50})");
    const auto again = co_await rig.post("add", R"({"id":"a","by":1})", key);
    EXPECT_EQ(again.status, 422);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(header(again, "Idempotent-Replayed"), "true");
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})")).status, 200);
  });
}

TEST(CommandApi, ExecutesOnlyAtTheVersionThatIsAskedFor) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})", {{"If-Match", "\"0\""}})).status, 200);
    const auto late = co_await rig.post("add", R"({"id":"a","by":1})", {{"If-Match", "\"0\""}});
    EXPECT_EQ(late.status, 409);
    EXPECT_THAT(late.body, HasSubstr("account 'a' is at version 1, not 0"));
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})", {{"If-Match", "1"}})).status, 200);
  });
}

TEST(CommandApi, ChecksStandBeforeTheDecision) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    const http::Fields key{{"Idempotency-Key", "k"}};
    rig.checks->refusal = CommandRefusal{
        .reason = Reason::refused, .detail = "no", .code = "poor", .service = "bank", .effect = Effect::none};
    auto answer = co_await rig.post("careful", R"({"id":"a","by":1})", key);
    EXPECT_EQ(answer.status, 422);
    EXPECT_THAT(answer.body, HasSubstr(R"("service":"bank","effect":"none","code":"poor")"));
    EXPECT_THAT(co_await rig.records(RecordClass::aggregate, ""), IsEmpty());
    // It was no decision: the same request may be executed later.
    rig.checks->refusal.reset();
    answer = co_await rig.post("careful", R"({"id":"a","by":1})", key);
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(rig.checks->asked,
                ElementsAre(R"(POST bank/check {"id":"a","by":1})", R"(POST bank/check {"id":"a","by":1})",
                            R"(GET bank/limits/{.id} {"id":"a","by":1})"));
    EXPECT_EQ(rig.checks->keys[0], rig.checks->keys[1]);  // sent again it is the same call
    EXPECT_NE(rig.checks->keys[1], rig.checks->keys[2]);
    EXPECT_EQ((co_await rig.records(RecordClass::topic, "noted")).size(), 1U);
  });
}

TEST(CommandApi, TopicsMayRefuseAnEventAndFillItIn) {
  CommandRig rig;
  rig.rules = [](const std::string& topic, journal::Event& event, WallTime) -> std::optional<CommandRefusal> {
    if (event.data.contains("13")) {
      return CommandRefusal{.reason = Reason::invalid, .detail = "not 13 in " + topic};
    }
    event.attributes.emplace_back("partitionkey", "mine");
    return std::nullopt;
  };
  rig.run(kAccounts, [&]() -> net::Task<> {
    EXPECT_THAT((co_await rig.post("add", R"({"id":"a","by":13})")).body, HasSubstr("not 13 in added"));
    (void)co_await rig.post("add", R"({"id":"a","by":1})");
    const auto topic = co_await rig.records(RecordClass::topic, "added");
    EXPECT_EQ(topic.size(), 1U);
    EXPECT_EQ(journal::decode_event(topic.at(0)->record.body)->attribute("partitionkey"), "mine");
  });
}

TEST(CommandApi, ReadsSnapshotsOfItsOwnEvolveAlone) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    for (int i = 0; i < 8; ++i) {
      (void)co_await rig.post("add", R"({"id":"a","by":10})");
    }
    telemetry::MetricsPage page;
    rig.runner->collect(page);
    EXPECT_THAT(page.text(), HasSubstr("flotilla_commands_snapshots_kept_total{command=\"add\"} 2\n"));
    // Kept at 3 and 6: the fourth command and all after it begin with one.
    EXPECT_THAT(page.text(), HasSubstr("flotilla_commands_snapshots_read_total{command=\"add\"} 5\n"));
    std::string other = kAccounts;
    other.replace(other.find("+ $data.by"), 10, "+ $data.by * 2");
    rig.start(other);
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":0})")).status, 422);  // 160
    rig.start(kAccounts);
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":20})")).status, 200);  // 80
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})")).status, 422);
  });
}

TEST(CommandApi, SaysTheTroubleOfTheStore) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    rig.journal.break_appends(
        journal::StoreUnavailable{.reason = "the disk is full", .effect = Effect::none});
    auto answer = co_await rig.post("add", R"({"id":"a","by":1})");
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body,
                HasSubstr(R"("detail":"the disk is full","reason":"store-unavailable","effect":"none")"));
    EXPECT_EQ(header(answer, "Retry-After"), "1");
    rig.journal.break_appends(
        journal::StoreUnavailable{.reason = "the sync failed", .effect = Effect::unknown});
    answer = co_await rig.post("add", R"({"id":"a","by":1})");
    EXPECT_THAT(answer.body, HasSubstr(R"("effect":"unknown")"));
    rig.journal.break_appends({});
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})")).status, 200);
  });
}

TEST(CommandApi, StoppingTellsThoseWhoWait) {
  CommandRig rig;
  rig.run(kAccounts, [&]() -> net::Task<> {
    net::Event never;
    rig.checks->release = &never;
    net::Scope asking;
    http::Response answer;
    asking.spawn([](CommandRig& of, http::Response& to) -> net::Task<> {
      to = co_await of.post("careful", R"({"id":"a","by":1})");
    }(rig, answer));
    while (rig.checks->asked.empty()) {
      co_await net::sleep_for(*rig.loop, std::chrono::milliseconds(1));
    }
    rig.runner->stop();
    co_await asking.join();
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, HasSubstr(R"("reason":"draining","effect":"unknown")"));
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})")).status, 503);
  });
}

TEST(CommandApi, WhatLiesElsewhereIsPassedOnOnce) {
  CommandRig rig(4);
  rig.run(kAccounts, [&]() -> net::Task<> {
    const std::uint32_t shard = aggregate_shard("account", "a", 4);
    EXPECT_EQ((co_await rig.post("add", R"({"id":"a","by":1})")).status, 200);
    (void)rig.journal.lose(shard);
    auto answer = co_await rig.post("add", R"({"id":"a","by":1})", {{"Flotilla-Forwarded", "gateway/x"}});
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, HasSubstr("has just moved to another process"));
    answer = co_await rig.post("add", R"({"id":"a","by":1})");
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, HasSubstr(R"("reason":"store-unavailable","effect":"none")"));
  });
}

}  // namespace
}  // namespace flotilla::cqrs
