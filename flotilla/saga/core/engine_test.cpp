// The engine by hand: a shell that commits at once and shows what is sent; a test answers it.
#include "flotilla/saga/core/engine.hpp"

#include <map>

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/builder.hpp"

namespace flotilla::saga {
namespace {

class Definitions final : public DefinitionSource {
 public:
  DefinitionPtr add(const SagaBuilder& builder) {
    auto built = builder.build(all_);
    EXPECT_TRUE(built) << built.error().message;
    all_.push_back(*built);
    return *built;
  }
  [[nodiscard]] DefinitionPtr find(std::string_view hash) const override {
    for (const DefinitionPtr& each : all_) {
      if (each->hash.value() == hash) {
        return each;
      }
    }
    return nullptr;
  }

 private:
  std::vector<DefinitionPtr> all_;
};

SagaBuilder order() {
  return std::move(SagaBuilder("order")
                       .deadline(std::chrono::minutes(15))
                       .step(StepBuilder("reserve")
                                 .action("POST stock/reservations", "{order: .input.id}")
                                 .undo("DELETE stock/reservations/{.input.id}"))
                       .step(StepBuilder("charge")
                                 .action("POST pay/charges", "{order: .input.id, amount: .input.total}")
                                 .undo("POST pay/refunds", "{order: .input.id, reason: .saga.cause.reason}")
                                 .retry({.attempts = 3}))
                       .step(StepBuilder("ship")
                                 .pivot()
                                 .action("POST ship/shipments", "{paid: .steps.charge.id}")
                                 .retry({.attempts = 2}))
                       .step(StepBuilder("notify").retriable().action("POST mail/notes"))
                       .result("{charge: .steps.charge.id}"));
}

class Shell {
 public:
  explicit Shell(const SagaBuilder& builder) : definition(definitions.add(builder)) {
    engine.emplace(config, definitions);
  }

  SagaId submit(std::string_view input = R"({"id":7,"total":1.10})") {
    feed(input::Submit{.waiter = 1, .definition = definition, .input = *json::parse(input)});
    return saga;
  }
  // Answers the newest request that is out for a step, such as "charge" or "charge undo".
  void answer(const std::string& what, std::uint16_t status, std::string body = {}) {
    const auto found = out.find(what);
    ASSERT_NE(found, out.end()) << what << " is not out";
    const std::uint64_t token = found->second.token;
    out.erase(found);
    AnswerHead head{.kind = AnswerHead::Kind::status, .status = status};
    if (status == 0) {
      head.kind = AnswerHead::Kind::lost;
    }
    feed(input::Answer{.saga = saga, .token = token, .head = head, .body = std::move(body)});
  }
  void pass(Duration time) {
    const Instant until = now.mono + time;
    while (wake <= until) {
      move_to(std::max(wake, now.mono));
      wake = kNever;
      feed(input::Timer{.saga = saga});
    }
    move_to(until);
  }
  void feed(Input input) {
    for (Effect& effect : engine->step(std::move(input), now)) {
      carry_out(effect);
    }
    while (!commits.empty()) {
      const SagaId committed = commits.front();
      commits.erase(commits.begin());
      feed(input::Appended{.saga = committed, .number = std::exchange(number_to_tell, 0)});
    }
  }
  void carry_out(Effect& effect) {
    if (auto* append = std::get_if<effect::Append>(&effect)) {
      saga = append->saga;
      for (auto& record : append->records) {
        names += std::string(record_name(record.type)) + " ";
        log.push_back(
            {.type = record.type, .epoch = append->epoch, .time = append->time, .body = record.body});
      }
      state = append->state;
      for (const auto& event : append->events) {
        events += event.topic + json::write(event.data) + " ";
      }
      commits.push_back(append->saga);
    } else if (auto* send = std::get_if<effect::Send>(&effect)) {
      const std::string what = definition->steps[send->step].name +
                               (send->op == Op::action ? "" : " " + std::string(to_string(send->op)));
      out[what] = *send;
      sent += what + " ";
    } else if (const auto* sleep = std::get_if<effect::Wake>(&effect)) {
      wake = sleep->at;
    } else if (const auto* said = std::get_if<effect::Reply>(&effect)) {
      replies.push_back(*said);
    } else if (const auto* told = std::get_if<effect::Alert>(&effect)) {
      alerts.push_back(*told);
    }
  }
  // Dies, and another owner takes over.
  void crash() {
    ++config.epoch;
    engine.emplace(config, definitions);
    out.clear();
    wake = kNever;
    feed(input::Load{.saga = saga, .records = log, .number = kNumber});
  }

  Definitions definitions;
  DefinitionPtr definition;
  EngineConfig config{.keys = {{1, 2}}, .epoch = 1, .seed = 1, .faults = {}};
  std::optional<Engine> engine;
  Now now{.mono = Instant(std::chrono::hours(1)), .wall = {1'700'000'000'000'000'000}};
  SagaId saga;
  Instant wake = kNever;
  std::map<std::string, effect::Send> out;
  std::vector<SagaId> commits;
  std::vector<StoredRecord> log;
  static constexpr std::uint64_t kNumber = 7;  // of the saga in the journal
  std::uint64_t number_to_tell = kNumber;      // with its first commit alone
  std::vector<effect::Reply> replies;
  std::vector<effect::Alert> alerts;
  std::string names;
  std::string sent;
  std::string events;
  std::string state;

 private:
  void move_to(Instant to) {
    now.wall.ns_since_epoch += (to - now.mono).count();
    now.mono = to;
  }
};

TEST(SagaEngine, RunsToItsEndInOneBatchAStep) {
  Shell shell(order());
  shell.submit();
  EXPECT_EQ(shell.names, "accepted ");
  EXPECT_EQ(shell.replies.at(0).what, effect::Reply::What::accepted);
  ASSERT_TRUE(shell.out.contains("reserve"));
  EXPECT_EQ(shell.out["reserve"].request->body, R"({"order":7})");
  EXPECT_EQ(shell.out["reserve"].timeout, std::chrono::seconds(5));
  shell.answer("reserve", 201);
  EXPECT_EQ(shell.out["charge"].request->body, R"({"order":7,"amount":1.10})");
  shell.answer("charge", 200, R"({"id":"c1"})");
  EXPECT_EQ(shell.out["ship"].request->body, R"({"paid":"c1"})");
  shell.answer("ship", 200, "{}");
  EXPECT_EQ(shell.state, "committed");
  shell.answer("notify", 204);
  EXPECT_EQ(shell.names, "accepted step-done step-done step-done step-done completed ");
  EXPECT_EQ(shell.sent, "reserve charge ship notify ");
  EXPECT_EQ(shell.state, "completed");
  EXPECT_EQ(shell.engine->size(), 0U);
}

TEST(SagaEngine, ARefusalUndoesInReverse) {
  Shell shell(order());
  shell.submit();
  shell.answer("reserve", 201);
  shell.answer("charge", 200, R"({"id":"c1"})");
  shell.answer("ship", 409);
  EXPECT_EQ(shell.state, "compensating");
  EXPECT_EQ(shell.out.size(), 1U) << "one at a time";
  EXPECT_EQ(shell.out["charge undo"].request->body, R"({"order":7,"reason":"step"})");
  shell.answer("charge undo", 200);
  EXPECT_EQ(shell.out["reserve undo"].request->target, "/reservations/7");
  shell.answer("reserve undo", 204);
  EXPECT_EQ(shell.names,
            "accepted step-done step-done step-refused aborting step-undone step-undone compensated ");
  EXPECT_EQ(shell.state, "compensated");
}

TEST(SagaEngine, AnUnknownEffectIsResentAndThenUndone) {
  Shell shell(order());
  shell.submit();
  shell.answer("reserve", 201);
  const std::string key = shell.out["charge"].key;
  const RequestPtr first = shell.out["charge"].request;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(shell.out["charge"].key, key);
    EXPECT_EQ(shell.out["charge"].request, first);
    shell.answer("charge", 500);
    shell.pass(std::chrono::seconds(2));
  }
  EXPECT_EQ(shell.sent, "reserve charge charge charge charge undo ");
  shell.answer("charge undo", 200);
  shell.answer("reserve undo", 200);
  EXPECT_EQ(shell.names, "accepted step-done step-unknown aborting step-undone step-undone compensated ");
}

TEST(SagaEngine, ARefusalAfterAMaybeIsNoRefusal) {
  Shell shell(order());
  shell.submit();
  shell.answer("reserve", 0);
  shell.pass(std::chrono::seconds(1));
  shell.answer("reserve", 409);
  EXPECT_EQ(shell.names, "accepted step-unknown aborting ");
  EXPECT_TRUE(shell.out.contains("reserve undo"));
}

TEST(SagaEngine, AnUnknownPivotWaitsForAPerson) {
  Shell shell(order());
  shell.submit();
  shell.answer("reserve", 201);
  shell.answer("charge", 200, R"({"id":"c1"})");
  shell.answer("ship", 0);
  shell.pass(std::chrono::seconds(1));
  shell.answer("ship", 0);
  EXPECT_EQ(shell.state, "suspended");
  ASSERT_EQ(shell.alerts.size(), 1U);
  shell.feed(input::Cancel{.saga = shell.saga, .waiter = 2, .who = "ann", .why = "late"});
  EXPECT_EQ(shell.replies.back().what, effect::Reply::What::pivot_decides);
  shell.feed(input::Operate{.saga = shell.saga,
                            .waiter = 3,
                            .verb = Verb::set_result,
                            .who = "ann",
                            .why = "saw the parcel",
                            .payload = {}});
  EXPECT_EQ(shell.replies.back().what, effect::Reply::What::accepted);
  EXPECT_EQ(shell.state, "committed");
  EXPECT_TRUE(shell.out.contains("notify"));
}

TEST(SagaEngine, TheDeadlineAbortsUnlessThePivotIsOut) {
  Shell shell(order());
  shell.submit();
  shell.answer("reserve", 201);
  shell.pass(std::chrono::minutes(20));
  EXPECT_EQ(shell.state, "compensating");
  EXPECT_FALSE(shell.out.contains("charge undo")) << "its action may be answered yet";
  shell.answer("charge", 200);
  EXPECT_TRUE(shell.out.contains("charge undo"));

  Shell other(order());
  other.submit();
  other.answer("reserve", 201);
  other.answer("charge", 200, R"({"id":"c1"})");
  other.pass(std::chrono::minutes(20));
  EXPECT_EQ(other.state, "running");
  other.answer("ship", 200);
  EXPECT_EQ(other.state, "committed");
}

TEST(SagaEngine, ANewOwnerSendsTheSameBytes) {
  Shell shell(order());
  shell.submit();
  shell.answer("reserve", 201);
  const effect::Send before = shell.out["charge"];
  shell.crash();
  const effect::Send after = shell.out["charge"];
  EXPECT_EQ(*after.request, *before.request);
  EXPECT_EQ(after.key, before.key);
  shell.answer("charge", 402);
  EXPECT_EQ(shell.state, "compensating");
  EXPECT_TRUE(shell.out.empty()) << "what the owner before has sent may arrive yet";
  shell.pass(std::chrono::seconds(7));
  EXPECT_TRUE(shell.out.contains("charge undo")) << "the owner before may have charged";
  shell.answer("charge undo", 204);
  shell.crash();
  EXPECT_TRUE(shell.out.contains("reserve undo"));
}

std::string header(const effect::Send& send, std::string_view name) {
  for (const auto& [each, value] : send.headers) {
    if (each == name) {
      return value;
    }
  }
  return {};
}

TEST(SagaEngine, RequestsOfOneThatHoldsLocksSayItsPlaceInTheOrder) {
  Shell shell(std::move(order().lock("order:{.input.id}").lock("shop")));
  shell.submit();
  EXPECT_EQ(header(shell.out["reserve"], "saga-seq"), "7");
  shell.answer("reserve", 201);
  EXPECT_EQ(header(shell.out["charge"], "saga-seq"), "7");
  shell.crash();
  EXPECT_EQ(header(shell.out["charge"], "saga-seq"), "7");
  shell.answer("charge", 402);
  shell.pass(std::chrono::seconds(7));
  EXPECT_EQ(header(shell.out["charge undo"], "saga-seq"), "7");

  Shell without(order());
  without.submit();
  EXPECT_EQ(header(without.out["reserve"], "saga-seq"), "");
}

}  // namespace
}  // namespace flotilla::saga
