// The runner over real loops, a real Caller and HTTP services of the test, and a journal in memory.
#include "flotilla/saga/runner.hpp"

#include <future>
#include <map>
#include <set>
#include <span>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/saga/runner_fixture.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;
using test::always;
using test::kQuick;
using test::kSlots;
using test::order;
using test::RunnerTest;
using test::steps_of;

TEST_F(RunnerTest, RunsToItsEndAndShowsIt) {
  open({built(order())});
  services.when("POST /shipments", always(201, R"({"id":"T1"})"));
  const auto got = start();
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, "completed");
  EXPECT_TRUE(got->saga.terminal);
  EXPECT_EQ(json::write(got->saga.body["result"]), R"({"shipment":"T1"})");
  EXPECT_EQ(steps_of(got->saga), "reserve:done charge:done ship:done ");
  const http::Request sent = services.got("POST /charges").at(0);
  EXPECT_EQ(sent.body, R"({"order":7,"total":1.10})");
  const std::string id = got->saga.id.text();
  EXPECT_EQ(sent.headers.get("Idempotency-Key")->substr(0, 36), "\"sg1-" + id + "-1-a-");
  EXPECT_EQ(sent.headers.get("Saga-Id"), id);
  EXPECT_EQ(sent.headers.get("Saga-Op"), "action");
  EXPECT_EQ(sent.headers.get("Correlation-Id"), "c-1");
  EXPECT_TRUE(sent.headers.get("Saga-Callback")->starts_with("http://cb/sg1-"));
  // It has left memory: the journal shows the same.
  const auto again = show(got->saga.id, true);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->state, "completed");
  EXPECT_EQ(again->body["timeline"].size(), 5U) << json::write(again->body);
  EXPECT_EQ(again->body["timeline"][0]["type"].as_string(), "accepted");
}

TEST_F(RunnerTest, UndoesWhatWasRefused) {
  open({built(order())});
  services.when("POST /charges", always(402));
  const auto got = start();
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, "compensated");
  EXPECT_EQ(json::write(got->saga.body["cause"]),
            R"({"step":"charge","reason":"step","status":402,"detail":"refused"})");
  EXPECT_EQ(services.got("DELETE /reservations/7").size(), 1U);
  EXPECT_TRUE(services.got("POST /refunds").empty());
}

TEST_F(RunnerTest, ResendsTheSameBytesUnderTheSameKey) {
  open({built(order())});
  services.when("POST /charges", [](const http::Request&, int nth) {
    return http::Response{static_cast<std::uint16_t>(nth < 3 ? 500 : 201), {}, "{}"};
  });
  const auto got = start();
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, "completed");
  const auto sent = services.got("POST /charges");
  ASSERT_EQ(sent.size(), 3U);
  for (const http::Request& each : sent) {
    EXPECT_EQ(each.body, sent[0].body);
    EXPECT_EQ(each.headers.get("Idempotency-Key"), sent[0].headers.get("Idempotency-Key"));
  }
  EXPECT_EQ(sent[2].headers.get("Saga-Attempt"), "1.3");
}

TEST_F(RunnerTest, ARepeatedKeyFindsTheFirst) {
  open({built(order())});
  const auto first = start("k1");
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_FALSE(first->existing);
  const auto again = start("k1");
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_TRUE(again->existing);
  EXPECT_EQ(again->saga.id, first->saga.id);
  EXPECT_EQ(again->saga.state, "completed");
  EXPECT_EQ(services.got("POST /charges").size(), 1U);
  const auto other = start("k1", R"({"id":8,"total":1})");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::key_reused);
  EXPECT_EQ(start("", "{}", 0s, "nothing").error().reason, Reason::not_found);
}

TEST_F(RunnerTest, AKeyOfASagaThatIsGoneStartsNoSecondOne) {
  open({built(order())});
  ASSERT_TRUE(start("k1"));
  std::promise<void> forgotten;
  journal.list(journal::SummaryQuery{}, [&](Result<std::vector<journal::Summary>> rows) {
    journal::Batch batch{.epoch = journal.epoch(), .time = rows->at(0).changed};
    batch.removed_summaries.push_back(rows->at(0).stream);
    journal.append(std::move(batch), [&](const journal::AppendResult&) { forgotten.set_value(); });
  });
  forgotten.get_future().wait();
  const auto again = start("k1");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, Reason::conflict);
  EXPECT_NE(again.error().detail.find("needs a new key"), std::string::npos);
  EXPECT_EQ(services.got("POST /charges").size(), 1U);
}

TEST_F(RunnerTest, AnOpenBreakerParksItWithoutSpendingAttempts) {
  open({built(order())});
  service->breaker()->set_mode(resilience::BreakerMode::forced_open, net::monotonic_now());
  const auto parked = start("", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(parked) << parked.error().detail;
  EXPECT_EQ(parked->saga.state, "running");
  // Far more often than the six attempts it has.
  wait_for_count(12, [](const call::ServiceCounters& each) {
    return each.refusals[static_cast<std::size_t>(Reason::circuit_open)].read();
  });
  EXPECT_EQ(json::write(show(parked->saga.id)->body["steps"][0]["attempts"]), "0");
  service->breaker()->close(net::monotonic_now());
  wait_for_state(parked->saga.id, "completed");
  EXPECT_EQ(services.got("POST /reservations").size(), 1U);
}

TEST_F(RunnerTest, GoesOnAfterARestartWithTheSameRequest) {
  const DefinitionPtr first = built(order());
  open({first});
  services.when("POST /charges", always(503));
  const auto begun = start("", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(begun) << begun.error().detail;
  services.wait_for("POST /charges", 2);
  runner.reset();  // as a crash: what was in memory is gone
  services.when("POST /charges", always(201));
  // The file has changed meanwhile; the saga keeps what it was started with.
  open({built(std::move(SagaBuilder("order").step(StepBuilder("other").pivot().action("POST shop/other"))))});
  wait_for_state(begun->saga.id, "completed");
  const auto sent = services.got("POST /charges");
  EXPECT_EQ(sent.back().body, sent.front().body);
  EXPECT_EQ(sent.back().headers.get("Idempotency-Key"), sent.front().headers.get("Idempotency-Key"));
  EXPECT_EQ(services.got("POST /reservations").size(), 1U);
  EXPECT_TRUE(services.got("POST /other").empty());
}

TEST_F(RunnerTest, SendsNoActionThatWaitedForItsTurnWhenTheSagaHasAborted) {
  open({built(std::move(SagaBuilder("one").step(
      StepBuilder("reserve")
          .action("POST shop/reservations")
          .undo("DELETE shop/reservations")
          .timeout(50ms)
          .retry({.attempts = 1000, .within = {}, .first = 20ms, .cap = 20ms, .factor = {}}))))});
  services.when("POST /reservations", always(202));
  std::vector<SagaId> sagas;
  for (std::size_t i = 0; i < 12; ++i) {
    const auto begun = start("", "{}", 0s, "one");
    ASSERT_TRUE(begun) << begun.error().detail;
    sagas.push_back(begun->saga.id);
  }
  services.wait_for("POST /reservations", sagas.size());
  runner.reset();  // as a crash
  const std::size_t before = services.got("POST /reservations").size();
  recovery_rate = 4;  // a second, for each shard: the last would be sent long after the cancelling
  open({});
  for (const SagaId saga : sagas) {
    ASSERT_TRUE(client.ask<Asked<CancelResult>>(
        [&] { return runner->cancel({.saga = saga, .who = "ops", .why = "test"}); }));
  }
  for (const SagaId saga : sagas) {
    wait_for_state(saga, "compensated");
  }
  std::set<std::string> sent;
  const auto got = services.got("POST /reservations");
  for (const http::Request& request : std::span(got).subspan(before)) {
    sent.emplace(*request.headers.get("Saga-Id"));
  }
  EXPECT_LT(sent.size(), sagas.size());
}

TEST_F(RunnerTest, SendsNoActionThatWaitedForASlotWhenTheSagaHasAborted) {
  open({built(order())});
  std::vector<resilience::BulkheadSlot> taken(kSlots);
  for (resilience::BulkheadSlot& slot : taken) {
    slot = service->bulkhead()->try_enter();
    ASSERT_TRUE(slot);
  }
  const auto begun = start("", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(begun) << begun.error().detail;
  wait_for_count(1, [](const call::ServiceCounters& each) { return each.bulkhead_waited.read(); });
  ASSERT_TRUE(client.ask<Asked<CancelResult>>(
      [&] { return runner->cancel({.saga = begun->saga.id, .who = "ops", .why = "test"}); }));
  taken.clear();
  wait_for_state(begun->saga.id, "compensated");
  EXPECT_TRUE(services.got("POST /reservations").empty());
}

TEST_F(RunnerTest, OneHolderAtATime) {
  open({built(std::move(order().lock("order:{.input.id}")))});
  services.when("POST /charges", always(503));
  const auto first = start("", R"({"id":7,"total":1})", 0s);
  const auto second = start("", R"({"id":7,"total":1})", 0s);
  const auto other = start("", R"({"id":8,"total":1})", 0s);
  ASSERT_TRUE(first && second && other);
  EXPECT_EQ(first->saga.state, "running");
  EXPECT_EQ(second->saga.state, "scheduled");
  EXPECT_EQ(other->saga.state, "running");
  services.when("POST /charges", always(201));
  wait_for_state(first->saga.id, "completed");
  wait_for_state(second->saga.id, "completed");
  wait_for_state(other->saga.id, "completed");

  std::map<std::string, std::set<std::uint64_t>> seqs;  // by saga
  for (const std::string line : {"POST /reservations", "POST /charges", "POST /shipments"}) {
    for (const http::Request& request : services.got(line)) {
      seqs[std::string(*request.headers.get("saga-id"))].insert(
          parse_int<std::uint64_t>(request.headers.get("saga-seq").value_or("")).value_or(0));
    }
  }
  const auto seq = [&](SagaId saga) {
    EXPECT_EQ(seqs[saga.text()].size(), 1U);
    return *seqs[saga.text()].begin();
  };
  EXPECT_GT(seq(first->saga.id), 0U);
  EXPECT_GT(seq(second->saga.id), seq(first->saga.id));
}

// Its own saga holds the lock: that is no reason to refuse it.
TEST_F(RunnerTest, ARepeatedKeyFindsTheFirstAlsoWhereALockIsHeld) {
  open({built(std::move(order().lock("order:{.input.id}").reject_if_locked()))});
  services.when("POST /charges", always(503));
  const auto first = start("k1", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(first) << first.error().detail;
  const auto again = start("k1", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_TRUE(again->existing);
  EXPECT_EQ(again->saga.id, first->saga.id);
  EXPECT_EQ(start("k1", R"({"id":7,"total":2})", 0s).error().reason, Reason::key_reused);
  EXPECT_EQ(start("k2", R"({"id":7,"total":1})", 0s).error().status, 423);
  EXPECT_EQ(start("", R"({"id":7,"total":1})", 0s).error().status, 423);
}

TEST_F(RunnerTest, CancelsSignalsAndListens) {
  open({built(
      std::move(SagaBuilder("ask")
                    .step(StepBuilder("reserve").action("POST shop/reservations").undo("DELETE shop/r"))
                    .step(StepBuilder("wait").signal({.signal = "yes", .within = {}}))
                    .step(StepBuilder("go").pivot().action("POST shop/go"))))});
  const auto one = start("", "{}", 0s, "ask");
  const auto two = start("", "{}", 0s, "ask");
  ASSERT_TRUE(one && two);
  const auto signal = [&](SagaId saga) {
    return client.ask<Asked<SignalResult>>([&] {
      return runner->signal({.saga = saga, .name = "yes", .id = "s1", .payload = json::Value(true)});
    });
  };
  ASSERT_TRUE(signal(one->saga.id));
  wait_for_state(one->saga.id, "completed");
  const auto cancelled = client.ask<Asked<CancelResult>>(
      [&] { return runner->cancel({.saga = two->saga.id, .who = "ops", .why = "test"}); });
  ASSERT_TRUE(cancelled) << cancelled.error().detail;
  wait_for_state(two->saga.id, "compensated");
  const auto late = client.ask<Asked<CancelResult>>(
      [&] { return runner->cancel({.saga = two->saga.id, .who = "ops", .why = "test"}); });
  EXPECT_EQ(late.error().reason, Reason::conflict);
  const auto page = client.ask<Asked<SagaPage>>([&] { return runner->list({.name = "ask"}); });
  ASSERT_TRUE(page) << page.error().detail;
  EXPECT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0]["state"].as_string(), "compensated");
  EXPECT_EQ(page->items[0]["reason"].as_string(), "cancel");
  Random random(7);
  const SagaId nobody = SagaId::make(net::wall_now(), random);
  EXPECT_EQ(show(nobody).error().reason, Reason::not_found);
  const auto unknown =
      client.ask<Asked<CancelResult>>([&] { return runner->cancel({.saga = nobody, .who = "", .why = ""}); });
  EXPECT_EQ(unknown.error().reason, Reason::not_found);
}

TEST_F(RunnerTest, ACallbackEndsWhatWasAnswered202) {
  open({built(order())});
  services.when("POST /charges", always(202));
  const auto begun = start("", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(begun) << begun.error().detail;
  services.wait_for("POST /charges", 1);
  const std::string quoted(*services.got("POST /charges")[0].headers.get("Idempotency-Key"));
  const std::string key = quoted.substr(1, quoted.size() - 2);
  const auto call_back = [&](std::string with) {
    return client.ask<Asked<std::monostate>>(
        [&] { return runner->callback({.key = with, .outcome = "ok", .body = R"({"id":"late"})"}); });
  };
  std::string guessed = key;
  guessed.back() = guessed.back() == '0' ? '1' : '0';
  EXPECT_EQ(call_back(guessed).error().reason, Reason::forbidden);
  ASSERT_TRUE(call_back(key));
  wait_for_state(begun->saga.id, "completed");
  EXPECT_EQ(show(begun->saga.id)->body["steps"][1]["output"]["id"].as_string(), "late");
}

TEST_F(RunnerTest, KeepsDefinitionsThatHaveOpenSagas) {
  open({built(order())});
  services.when("POST /charges", always(503));
  const auto begun = start("", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(begun) << begun.error().detail;
  const auto gone = runner->replace_definitions({});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::conflict);
  services.when("POST /charges", always(201));
  wait_for_state(begun->saga.id, "completed");
  EXPECT_TRUE(runner->replace_definitions({}));
  EXPECT_EQ(start().error().reason, Reason::not_found);
}

std::vector<std::string> events_of(journal::Journal& journal, const std::string& topic) {
  std::promise<std::vector<std::string>> all;
  journal.read(journal::CategoryQuery{.category = topic}, [&](Result<journal::Page> page) {
    std::vector<std::string> found;
    for (const journal::RecordPtr& record : page->records) {
      found.push_back(journal::decode_event(record->record.body)->data);
    }
    all.set_value(std::move(found));
  });
  return all.get_future().get();
}

TEST_F(RunnerTest, PublishesWithTheRecordThatCausesIt) {
  open({built(std::move(order().publish("done.charge", "order.paid", "{order: .input.id}")))});
  // At once and on both workers, so that both find the topic missing.
  std::vector<SagaId> begun;
  for (int i = 0; i < 8; ++i) {
    const auto got = start("", R"({"id":7,"total":1})", 0s);
    ASSERT_TRUE(got) << got.error().detail;
    begun.push_back(got->saga.id);
  }
  for (const SagaId saga : begun) {
    wait_for_state(saga, "completed");
  }
  EXPECT_EQ(events_of(journal, "order.paid"), std::vector<std::string>(8, R"({"order":7})"));
}

TEST_F(RunnerTest, RunsASagaAsAStepAndUndoesIt) {
  const DefinitionPtr pay = built(std::move(
      SagaBuilder("pay").step(StepBuilder("take").action("POST shop/take").undo("POST shop/give"))));
  const auto parent = SagaBuilder("order")
                          .step(StepBuilder("pay").saga("pay", "{}"))
                          .step(StepBuilder("ship").pivot().action("POST shop/shipments").retry(kQuick));
  const std::vector<DefinitionPtr> known{pay};
  const auto order_saga = parent.build(known);
  ASSERT_TRUE(order_saga) << order_saga.error().message;
  open({pay, *order_saga});
  const auto good = start();
  ASSERT_TRUE(good) << good.error().detail;
  EXPECT_EQ(good->saga.state, "completed");
  services.when("POST /shipments", always(409));
  const auto bad = start();
  ASSERT_TRUE(bad) << bad.error().detail;
  EXPECT_EQ(bad->saga.state, "compensated");
  EXPECT_EQ(services.got("POST /take").size(), 2U);
  EXPECT_EQ(services.got("POST /give").size(), 1U);
}

TEST_F(RunnerTest, DrainsAndRefusesWhatComesThen) {
  open({built(order())});
  std::promise<void> drained;
  runner->drain(1s, [&] { drained.set_value(); });
  drained.get_future().wait();
  EXPECT_EQ(start().error().reason, Reason::draining);
  runner->stop();
  EXPECT_EQ(start().error().reason, Reason::draining);
}

}  // namespace
}  // namespace flotilla::saga
