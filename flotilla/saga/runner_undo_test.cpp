// What an undo's refusal means, over real HTTP: 409 above all, from services of every kind, at first, after
// an answer that says nothing, and after the process was killed.
#include <ostream>

#include "flotilla/saga/runner_fixture.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;
using test::always;
using test::RunnerTest;

constexpr RetryDraft kSoon{.attempts = {}, .within = {}, .first = 2ms, .cap = 20ms, .factor = {}};
constexpr RetryDraft kLater{.attempts = {}, .within = {}, .first = 10s, .cap = 20s, .factor = {}};

// What the step says of its service.
enum class Grade : std::uint8_t { none, replays, barrier, nothing_left };

struct Said {
  std::uint16_t status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
};
const Said kConflict{.status = 409};
const Said kAtWork{.status = 409, .headers = {{"Retry-After", "1"}}};
const Said kOutstanding{.status = 409,
                        .headers = {{"Content-Type", "application/problem+json"}},
                        .body = R"({"type":"https://example.com/problems/outstanding"})"};
const Said kSaysDone{.status = 409, .headers = {{"Saga-Outcome", "ok"}}};
const Said kSaysNothingToUndo{.status = 409, .headers = {{"Saga-Outcome", "null-undo"}}};
const Said kStumbles{.status = 500};
const Said kDone{.status = 200};
const Said kGone{.status = 410};
const Said kNotFound{.status = 404};

struct Case {
  const char* name;
  Grade grade;
  std::vector<Said> said;  // to one undo after the other
  const char* ends;        // how the saga ends by itself; "suspended": a person is asked
};
std::ostream& operator<<(std::ostream& out, const Case& each) { return out << each.name; }

class UndoAnswerTest : public RunnerTest {
 protected:
  static SagaBuilder saga(Grade grade, const RetryDraft& undo_retry = kSoon) {
    StepBuilder reserve("reserve");
    reserve.action("POST shop/reservations", "{order: .input.id}")
        .undo("DELETE shop/reservations/{.input.id}")
        .undo_timeout(100ms)
        .undo_retry(undo_retry);
    if (grade == Grade::replays) {
      reserve.replays_answers();
    } else if (grade == Grade::barrier) {
      reserve.barrier();
    } else if (grade == Grade::nothing_left) {
      reserve.undo_404_ok();
    }
    return std::move(
        SagaBuilder("order").step(reserve).step(StepBuilder("charge").pivot().action("POST shop/charges")));
  }
  // The second step is refused, so the first is undone.
  void answer_undos(std::vector<Said> said) {
    services.when("POST /charges", always(402));
    services.when(kUndo, [said = std::move(said)](const http::Request&, int nth) {
      const Said& now = said[std::min(static_cast<std::size_t>(nth), said.size()) - 1];
      http::Response response{now.status, {}, now.body};
      for (const auto& [name, value] : now.headers) {
        response.headers.add(name, value);
      }
      return response;
    });
  }
  void expect_one_request_repeated(std::size_t times) {
    const auto undos = services.got(kUndo);
    ASSERT_EQ(undos.size(), times);
    for (const http::Request& undo : undos) {
      EXPECT_EQ(undo.headers.get("Idempotency-Key"), undos[0].headers.get("Idempotency-Key"));
      EXPECT_EQ(undo.headers.get("Saga-Op"), "undo");
      EXPECT_EQ(undo.body, undos[0].body);
    }
  }
  Asked<SagaView> operate(SagaId saga, Verb verb) {
    return client.ask<Asked<SagaView>>([&] {
      return runner->operate(
          {.saga = saga, .verb = verb, .step = {}, .who = "ops", .why = "looked into its books"});
    });
  }

  static constexpr const char* kUndo = "DELETE /reservations/7";
};

class UndoAnswer : public UndoAnswerTest, public testing::WithParamInterface<Case> {};

TEST_P(UndoAnswer, EndsSo) {
  const Case& each = GetParam();
  open({built(saga(each.grade))});
  answer_undos(each.said);
  const auto got = start();
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, each.ends) << json::write(got->saga.body);
  expect_one_request_repeated(each.said.size());
  if (got->saga.state == "suspended") {
    EXPECT_EQ(got->saga.body["suspension"]["reason"].as_string(), "undo-blocked");
    EXPECT_EQ(got->saga.body["suspension"]["step"].as_string(), "reserve");
    EXPECT_EQ(got->saga.body["steps"][0]["state"].as_string(), "undo-blocked");
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, UndoAnswer,
    testing::Values(
        // A conflict is a refusal, whatever the service promises.
        Case{"Conflict", Grade::none, {kConflict}, "suspended"},
        Case{"ConflictReplays", Grade::replays, {kConflict}, "suspended"},
        Case{"ConflictBarrier", Grade::barrier, {kConflict}, "suspended"},
        Case{"ConflictNothingLeft", Grade::nothing_left, {kConflict}, "suspended"},
        // Also behind an answer that leaves it open: "undone already" would be a guess.
        Case{"ConflictAfterStumble", Grade::none, {kStumbles, kConflict}, "suspended"},
        Case{"ConflictAfterStumbleReplays", Grade::replays, {kStumbles, kConflict}, "suspended"},
        Case{"ConflictAfterStumbleBarrier", Grade::barrier, {kStumbles, kConflict}, "suspended"},
        Case{"ConflictAfterStumbleNothingLeft", Grade::nothing_left, {kStumbles, kConflict}, "suspended"},
        // A service that replays its first answer never comes to that.
        Case{"ReplayedAfterStumble", Grade::replays, {kStumbles, kDone}, "compensated"},
        Case{"BarrierAfterStumble", Grade::barrier, {kStumbles, kDone}, "compensated"},
        // Those that say what they mean by it.
        Case{"SaysDone", Grade::none, {kSaysDone}, "compensated"},
        Case{"SaysNothingToUndo", Grade::barrier, {kSaysNothingToUndo}, "compensated"},
        Case{"AtWork", Grade::none, {kAtWork, kDone}, "compensated"},
        Case{"Outstanding", Grade::replays, {kOutstanding, kDone}, "compensated"},
        Case{"AtWorkThenConflict", Grade::none, {kAtWork, kConflict}, "suspended"},
        // And what says that there is nothing (left) to undo.
        Case{"Gone", Grade::none, {kGone}, "compensated"},
        Case{"GoneAfterStumble", Grade::none, {kStumbles, kGone}, "compensated"},
        Case{"NotFound", Grade::none, {kNotFound}, "suspended"},
        Case{"NotFoundNothingLeft", Grade::nothing_left, {kNotFound}, "compensated"},
        Case{"NotFoundAfterStumbleNothingLeft", Grade::nothing_left, {kStumbles, kNotFound}, "compensated"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(UndoAnswerTest, APersonEndsWhatWasRefused) {
  open({built(saga(Grade::none))});
  answer_undos({kConflict, kConflict, kDone});
  const auto first = start();
  const auto second = start();
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(operate(first->saga.id, Verb::forgive));
  wait_for_state(first->saga.id, "compensated");
  EXPECT_EQ(show(first->saga.id)->body["steps"][0]["state"].as_string(), "forgiven");
  ASSERT_TRUE(operate(second->saga.id, Verb::retry));
  wait_for_state(second->saga.id, "compensated");
  EXPECT_EQ(show(second->saga.id)->body["steps"][0]["state"].as_string(), "undone");
}

TEST_F(UndoAnswerTest, FailsWhereTheDefinitionSaysSo) {
  open({built(std::move(saga(Grade::none).fail_when_blocked()))});
  answer_undos({kConflict});
  const auto got = start();
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->saga.state, "failed");
  const json::Value timeline = show(got->saga.id, true)->body["timeline"];
  EXPECT_EQ(json::write(timeline[timeline.size() - 1]["residue"]), R"(["reserve"])");
}

// The service has undone it, and the process is killed before it knows. The next one asks again under the
// same key: what becomes of it is the service's answer.
class UndoAfterTakeover : public UndoAnswerTest, public testing::WithParamInterface<Case> {};

TEST_P(UndoAfterTakeover, EndsSo) {
  const Case& each = GetParam();
  const DefinitionPtr definition = built(saga(each.grade, kLater));
  open({definition});
  answer_undos(each.said);
  const auto begun = start("", R"({"id":7,"total":1})", 0s);
  ASSERT_TRUE(begun) << begun.error().detail;
  services.wait_for(kUndo, 1);
  runner.reset();
  journal.begin_epoch();
  open({definition});
  wait_for_state(begun->saga.id, each.ends);
  expect_one_request_repeated(2);
  const auto undos = services.got(kUndo);
  EXPECT_NE(undos[0].headers.get("Saga-Attempt"), undos[1].headers.get("Saga-Attempt"));
  EXPECT_EQ(services.got("POST /reservations").size(), 1U);
}
INSTANTIATE_TEST_SUITE_P(
    All, UndoAfterTakeover,
    testing::Values(Case{"Naive", Grade::none, {kStumbles, kConflict}, "suspended"},
                    Case{"NaiveGone", Grade::none, {kStumbles, kGone}, "compensated"},
                    Case{"Replays", Grade::replays, {kStumbles, kDone}, "compensated"},
                    Case{"ReplaysAndRefuses", Grade::replays, {kStumbles, kConflict}, "suspended"},
                    Case{"Barrier", Grade::barrier, {kStumbles, kDone}, "compensated"},
                    Case{"NothingLeft", Grade::nothing_left, {kStumbles, kNotFound}, "compensated"},
                    Case{"NothingLeftConflict", Grade::nothing_left, {kStumbles, kConflict}, "suspended"}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace flotilla::saga
