#include "flotilla/saga/core/definition.hpp"

#include <fstream>
#include <span>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/core/definition_check.hpp"
#include "flotilla/saga/core/definition_fuzz.hpp"
#include "flotilla/saga/core/definition_json.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;

// The saga of the pattern guide, with the payment's refund spelled out.
SagaBuilder place_order() {
  return SagaBuilder("place-order")
      .deadline(15min)
      .lock("order:{.input.order_id}")
      .publish("accepted", "order.placed")
      .publish("done.charge", "order.paid", "{order_id: .input.order_id, charge: .steps.charge.id}")
      .step(StepBuilder("reserve")
                .action("POST order-service/reservations", "{order: .input.order_id, items: .input.items}")
                .undo("DELETE order-service/reservations/{.input.order_id}"))
      .step(StepBuilder("charge")
                .action("POST payment-service/charges", "{order: .input.order_id, amount: .input.total}")
                .retry({.attempts = 6, .first = 200ms, .cap = 5s})
                .undo("POST payment-service/refunds", "{order: .input.order_id, reason: .saga.cause}")
                .status("GET payment-service/charges/by-order/{.input.order_id}")
                .outcome(402, Verdict::refused)
                .replays_answers())
      .step(StepBuilder("ship")
                .pivot()
                .action("POST shipping-service/shipments", "{order: .input.order_id}")
                .timeout(3s)
                .replays_answers())
      .step(StepBuilder("notify").retriable().action("POST notification-service/notifications",
                                                     "{user: .input.user_id}"))
      .result("{order_id: .input.order_id, tracking: .steps.ship.tracking}");
}

TEST(Definition, HoldsWhatTheEngineAsks) {
  const auto built = place_order().build();
  ASSERT_TRUE(built) << built.error().message;
  const Definition& saga = **built;
  ASSERT_EQ(saga.steps.size(), 4U);
  EXPECT_EQ(saga.pivot, 2);
  EXPECT_EQ(saga.roots, StepSet(0b0001));
  EXPECT_EQ(saga.steps[2].ancestors, StepSet(0b0011));
  EXPECT_EQ(saga.steps[2].after, StepSet(0b0010));
  EXPECT_EQ(saga.steps[1].before, StepSet(0b0100));
  EXPECT_EQ(saga.steps[1].descendants, StepSet(0b1100));
  EXPECT_EQ(saga.find("ship"), 2);
  EXPECT_EQ(saga.find("fly"), std::nullopt);
  EXPECT_EQ(saga.deadline, 15min);

  const Step& charge = saga.steps[1];
  EXPECT_EQ(std::get<Request>(charge.action).timeout, kDefaultTimeout);
  EXPECT_EQ(charge.retry.attempts, 6U);
  EXPECT_EQ(charge.retry.within, std::nullopt);  // naming one bound lifts the other
  EXPECT_EQ(charge.undo_retry.attempts, 0U);
  EXPECT_EQ(charge.undo_retry.cap, 60s);
  EXPECT_TRUE(charge.abort_when_unknown);
  EXPECT_TRUE(charge.verdict_rules().replays_answers);
  EXPECT_EQ(charge.verdict_rules().outcomes.size(), 1U);
  EXPECT_EQ(saga.steps[0].retry.within, 2min);
  EXPECT_EQ(saga.steps[3].retry.attempts, 0U);  // retriable: without end
  EXPECT_EQ(std::get<Request>(saga.steps[2].action).timeout, 3s);
  EXPECT_FALSE(saga.steps[2].abort_when_unknown);
}

TEST(Definition, IsMadeAgainFromItsCanonicalJson) {
  const auto child = SagaBuilder("child")
                         .step(StepBuilder("a").pivot().action("POST a-service/a").replays_answers())
                         .build();
  ASSERT_TRUE(child);
  const auto whole =
      SagaBuilder("whole")
          .version(7)
          .input_schema(*json::parse(R"({"type":"object","required":["id"]})"))
          .deadline(1h)
          .lock("a:{.input.id}")
          .lock_when(".input.amount > 1000")
          .wait_for_locks(30s)
          .publish("done.run", "ran", ".steps.run")
          .publish("compensated", "gone", "{why: .saga.cause, was: .steps.run}")
          .step(StepBuilder("run")
                    .action("PUT a-service/a/{.input.id}?b={.input.b}", "{z: 1, a: .input.b}")
                    .header("X-Kind", "k-{.input.kind}")
                    .timeout(1500us)
                    .retry({.within = 1min, .factor = 1.5})
                    .undo("DELETE a-service/a/{.input.id}")
                    .undo_404_ok()
                    .barrier()
                    .suspend_when_unknown()
                    .outcome(500, Verdict::retry)
                    .outcome(409, Verdict::ok)
                    .accept_202())
          .step(StepBuilder("nest").saga("child", "{id: .input.id}").no_undo("it does no harm").after({}))
          .step(StepBuilder("ask").signal({.signal = "approve", .within = 48h}).after({"run", "nest"}))
          .step(StepBuilder("go").pivot().action("POST b-service/b").status("GET b-service/b/{.saga.id}"))
          .step(StepBuilder("sleep").retriable().timer(10min).when(".input.slow"))
          .step(StepBuilder("tell").retriable().action("POST c-service/c", ".steps.ask"))
          .result(".steps")
          .drain_on_failure()
          .independent_undo()
          .fail_when_blocked()
          .keep_completed(1h)
          .keep_compensated(2h)
          .build(std::span(&*child, 1));
  ASSERT_TRUE(whole) << whole.error().message;
  const auto again = parse_definition((*whole)->canonical);
  ASSERT_TRUE(again) << again.error().message << "\n" << (*whole)->canonical;
  EXPECT_EQ((*again)->hash, (*whole)->hash);
  EXPECT_EQ((*again)->canonical, (*whole)->canonical);
  EXPECT_EQ(std::get<NestedSaga>((*again)->steps[1].action).hash, (*child)->hash);
  EXPECT_TRUE(std::get<NestedSaga>((*again)->steps[1].action).has_pivot);
  EXPECT_EQ((*again)->steps[3].ancestors, StepSet(0b111));
  EXPECT_EQ((*again)->locks.wait, 30s);
}

// A change of this text changes what running instances are pinned to: see kDefinitionFormat.
TEST(Definition, HasThisCanonicalForm) {
  const auto built = place_order().build();
  ASSERT_TRUE(built);
  std::ifstream in(FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/place_order.json");
  std::string text;
  ASSERT_TRUE(std::getline(in, text));
  EXPECT_EQ((*built)->canonical, text);
  EXPECT_EQ((*built)->hash.value(), "a9f75d1984ca2c489e3c81640cf487440620fd6d943c5fa005667519752b5e37");
}

TEST(Definition, HasAnotherHashWhenAnythingDiffers) {
  const auto hash = [](SagaBuilder builder) { return (*builder.build())->hash.value(); };
  const std::string same = hash(place_order());
  EXPECT_EQ(same, hash(place_order()));
  EXPECT_NE(same, hash(place_order().version(2)));
  EXPECT_NE(same, hash(place_order().deadline(16min)));
  EXPECT_NE(same, hash(place_order().lock("b")));
  EXPECT_NE(same, hash(place_order().result(".input")));
  EXPECT_NE(same, hash(place_order().drain_on_failure()));
  EXPECT_NE(same, hash(place_order().step(StepBuilder("x").retriable().timer(1s))));
}

TEST(Definition, RefusesStoredTextsThatAreNotItsOwn) {
  const std::string good = (*place_order().build())->canonical;
  const auto error = [](const std::string& text) {
    const auto parsed = parse_definition(text);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  const auto with = [&](std::string_view old, std::string_view now) {
    std::string text = good;
    const std::size_t at = text.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    return error(text.replace(at, old.size(), now));
  };
  EXPECT_EQ(error(good), "accepted");
  EXPECT_EQ(error("{"), "a stored definition: byte 1: expected a key in quotes");
  EXPECT_EQ(error("[]"),
            "a stored definition has the format 0, this build reads 1; run the build that wrote it");
  EXPECT_EQ(with(R"("format":1)", R"("format":2)"),
            "a stored definition has the format 2, this build reads 1; run the build that wrote it");
  EXPECT_EQ(with(R"("kind":"pivot")", R"("kind":"turn")"),
            "a stored definition: steps[2].kind must be compensatable, pivot or retriable");
  EXPECT_EQ(with(R"("kind":"pivot")", R"("kind":"pivot","mood":1)"),
            "a stored definition: steps[2].mood must be absent: a newer build may have written it");
  EXPECT_EQ(with(R"("timeout_ns":3000000000)", R"("timeout_ns":-1)"),
            "a stored definition: steps[2].action.timeout_ns must be a whole number, at most "
            "9223372036854775807");
  EXPECT_EQ(with(R"("replays_answers":true)", R"("replays_answers":false)"),
            "a stored definition: steps[1].replays_answers must be true or absent");
  EXPECT_EQ(with(R"("402":"refused")", R"("402":"sad")"),
            "a stored definition: steps[1].outcomes.402 must be a verdict for a status");
  EXPECT_EQ(
      with(R"("kind":"pivot")", R"("kind":"retriable")"),
      "the stored definition of saga 'place-order': step 'ship' is retriable, but no pivot comes before "
      "it, so a failure elsewhere could not undo it; name a pivot, or make it compensatable");
  EXPECT_EQ(with(R"("format":1)", R"("format": 1)"),
            "the stored definition of saga 'place-order' is not in its canonical form; it was changed, or a "
            "newer build wrote it");
}

// The seeds of the fuzz target reach what they are there for.
TEST(Definition, HasFuzzSeedsOfEveryDepth) {
  const auto says = [](const std::string& name) {
    std::ifstream in(FLOTILLA_SOURCE_DIR "/tests/fuzz/corpus/saga_definition/" + name, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    fuzz::definition(std::as_bytes(std::span(text.view())));
    const auto draft = parse_draft(text.view());
    if (!draft) {
      return draft.error().message;
    }
    const auto checked = check_definition(*draft);
    return checked ? std::string("accepted") : checked.error().front().message;
  };
  EXPECT_EQ(says("place_order"), "accepted");
  EXPECT_EQ(says("whole"), "accepted");
  EXPECT_EQ(
      says("circle"),
      "the steps wait for each other: run after go after ask after run; no step of them could ever begin");
  EXPECT_EQ(says("too_many"),
            "saga 'whole' has 100 steps; 1 to 64 are taken: move some into a saga of their own");
  EXPECT_EQ(
      says("reads_ahead"),
      "step 'run', undo: reads `.steps.sleep`, which has no answer yet at that time; only steps that come "
      "before have one: see `after`");
  EXPECT_EQ(says("bounds"), "step 'run' has a backoff factor that is not within 1 and 100");
  EXPECT_EQ(says("cut"), "a stored definition: byte 700: the text ends where a value belongs");
  EXPECT_EQ(says("no_object"), "a stored definition: name must be a string");
}

// Texts damaged at random: a stretch taken out, doubled, or moved, so that many stay JSON.
TEST(Definition, SurvivesDamagedTexts) {
  constexpr std::uint64_t kSeed = 20'261'126;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  const std::string good = (*place_order().build())->canonical;
  for (int i = 0; i < 5'000; ++i) {
    std::string text = good;
    const std::size_t at = random.below(text.size());
    const std::string part = text.substr(at, 1 + random.below(24));
    if (random.below(2) == 0) {
      text.erase(at, part.size());
    }
    if (random.below(2) == 0) {
      text.insert(random.below(text.size()), part);
    }
    fuzz::definition(std::as_bytes(std::span(text)));
  }
}

}  // namespace
}  // namespace flotilla::saga
