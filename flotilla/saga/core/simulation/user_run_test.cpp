// A user's definitions in the simulated world, and what is said of them.
//
// The report is compared with testdata/simulation_report.txt with every number as `#` and without timelines,
// so that it changes with its words, not with the engine's dice.
#include "flotilla/saga/core/simulation/user_run.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/schema/schema.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/core/simulation/user_report.hpp"

namespace flotilla::saga::simulation {
namespace {

using namespace std::chrono_literals;

UserRunConfig config_of(const SagaBuilder& builder, std::uint64_t seeds, EngineFault fault) {
  const auto built = builder.build({});
  EXPECT_TRUE(built.has_value()) << built.error().message;
  return {.all = {*built},
          .saga = *built,
          .input = {},
          .seeds = seeds,
          .events = 400,
          .faults = {.planted = fault}};
}

struct FinishedRun : UserRun {
  FinishedRun(const SagaBuilder& builder, std::uint64_t seeds, EngineFault fault = EngineFault::none)
      : UserRun(config_of(builder, seeds, fault)) {
    while (next()) {
    }
  }
};

StepBuilder reserve() {
  return StepBuilder("reserve")
      .action("POST orders/reservations", "{order: .input.order}")
      .undo("DELETE orders/reservations/{.input.order}")
      .undo_404_ok()
      .barrier();
}
StepBuilder ship() {
  return StepBuilder("ship")
      .pivot()
      .action("POST shipping/shipments", "{order: .input.order}")
      .replays_answers();
}

std::set<std::string> kinds_of(const UserRun& run) {
  std::set<std::string> kinds;
  for (const auto& [key, finding] : run.coverage().findings) {
    kinds.insert(std::string(to_string(std::get<0>(key))) + ":" +
                 run.config().saga->steps[std::get<2>(key)].name);
  }
  return kinds;
}

TEST(UserRun, ASoundDefinitionHasNoFindings) {
  SagaBuilder saga("sound");
  saga.deadline(1h).step(reserve()).step(ship()).result("{at: .steps.ship.place.town}");
  const FinishedRun run(saga, 200);
  EXPECT_EQ(kinds_of(run), std::set<std::string>());
  EXPECT_FALSE(is_bad(run, {}));
  const SagaTally& tally = run.coverage().tallies.at("sound");
  EXPECT_GT(tally.completed, 100U);
  EXPECT_GT(tally.compensated, 10U);
  for (const Transition each :
       {Transition::s2, Transition::s6, Transition::s9, Transition::s10, Transition::s17}) {
    EXPECT_GT(run.coverage().transitions[static_cast<std::size_t>(each)], 0U) << to_string(each);
  }
}

TEST(UserRun, FindsWhatADefinitionAllows) {
  SagaBuilder saga("loose");
  saga.step(StepBuilder("bill").action("POST bills/bills").undo("POST bills/credits"))
      .step(StepBuilder("mail").action("POST mail/letters").no_undo("a letter is a letter").replays_answers())
      .step(reserve());
  const FinishedRun run(saga, 200);
  EXPECT_EQ(kinds_of(run),
            (std::set<std::string>{"twice:bill", "undo-twice:bill", "not-undone:bill", "left-behind:mail"}));
  EXPECT_EQ(run.violations().size(), 0U);
  EXPECT_TRUE(is_bad(run, {}));
  EXPECT_TRUE(is_bad(run, {.file = "f", .input = {}, .accept = {"twice", "undo-twice", "not-undone"}}));
  EXPECT_FALSE(is_bad(
      run,
      {.file = "f", .input = {}, .accept = {"twice", "undo-twice:bill", "not-undone", "left-behind:mail"}}));
}

TEST(UserRun, SaysWhichTextCannotBeMade) {
  SagaBuilder saga("texts");
  saga.step(StepBuilder("one").action("PUT s/{.input.items[0].id}").no_undo("it stays"));
  EXPECT_TRUE(kinds_of(FinishedRun(saga, 20)).contains("no-text:one"));
}

TEST(UserRun, AFaultOfTheEngineIsAViolation) {
  SagaBuilder saga("sound");
  saga.step(reserve()).step(ship());
  const FinishedRun run(saga, 50, EngineFault::forget_unknown);
  ASSERT_FALSE(run.violations().empty());
  EXPECT_EQ(run.violations()[0].what.substr(0, 2), "I4");
  EXPECT_NE(run.violations()[0].timeline.find("VIOLATION I4"), std::string::npos);
  EXPECT_LE(std::ranges::count(run.violations()[0].timeline, '\n'), kMaxTimelineLines + 1);
  EXPECT_TRUE(is_bad(run, {}));
}

TEST(UserRun, ASeedIsTheSameAlone) {
  SagaBuilder saga("sound");
  saga.step(reserve()).step(ship());
  const FinishedRun run(saga, 3);
  EXPECT_EQ(run.trace(2), run.trace(2));
  EXPECT_NE(run.trace(2), run.trace(3));
}

TEST(Stubs, MakeInputsThatASchemaAccepts) {
  const auto document = json::parse(R"({"type":"object","required":["id","amount","items"],"properties":{
    "id":{"type":"string","minLength":8},"amount":{"type":"integer","minimum":10,"maximum":12},
    "kind":{"enum":["a","b"]},"flag":{"type":"boolean"},"items":{"type":"array","minItems":2,
    "items":{"type":"object","properties":{"sku":{"type":"string","maxLength":3}}}}}})");
  ASSERT_TRUE(document);
  SagaBuilder builder("schema");
  builder.input_schema(*document).step(reserve());
  const auto saga = builder.build({});
  ASSERT_TRUE(saga) << saga.error().message;
  const Stubs stubs(**saga);
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const json::Value drawn = stubs.input(random);
    EXPECT_TRUE((*saga)->input->validate(drawn)) << json::write(drawn);
  }
}

TEST(Stubs, PutNumbersIntoAGivenInput) {
  SagaBuilder builder("given");
  builder.step(reserve());
  const auto saga = builder.build({});
  ASSERT_TRUE(saga);
  const Stubs stubs(**saga, json::parse(R"({"order":"o-{n}","items":[{"sku":"x{n}y"}],"total":3})").value());
  Random random(1);
  const json::Value drawn = stubs.input(random);
  const std::string n(1, drawn["order"].as_string().back());
  EXPECT_EQ(json::write(drawn), R"({"order":"o-)" + n + R"(","items":[{"sku":"x)" + n + R"(y"}],"total":3})");
}

// Every number as `#`, and no lines that are there or not by luck: timelines, what was rarely reached.
std::string without_dice(const std::string& text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.find(" ms ") != std::string::npos || line.find(" lines before") != std::string::npos ||
        line.starts_with("  never:") || line.starts_with("  needed a person:")) {
      continue;
    }
    std::string shown;
    bool in_number = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool digit = line[i] >= '0' && line[i] <= '9' && (in_number || i == 0 || line[i - 1] != 'S');
      if (digit && !in_number) {
        shown += '#';
      } else if (!digit && !(line[i] == ' ' && !shown.empty() && shown.back() == ' ')) {
        shown += line[i];
      }
      in_number = digit;
    }
    const std::size_t saga = shown.find("first in saga ");
    if (saga != std::string::npos) {
      shown.replace(saga + 14, shown.find(" of seed") - saga - 14, "ID");
    }
    out += shown + "\n";
  }
  return out;
}

TEST(UserReport, IsAsWritten) {
  SagaBuilder saga("order");
  saga.step(StepBuilder("reserve")
                .action("POST orders/reservations", "{order: .input.order}")
                .undo("DELETE orders/reservations/{.input.order}"))
      .step(ship());
  const FinishedRun run(saga, 300);
  const UserReportConfig config{.file = "my file.yaml", .input = {}, .accept = {"not-undone"}};
  const std::string text = without_dice(report_text(run, config));
  const std::string path = FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/simulation_report.txt";
  if (std::getenv("FLOTILLA_WRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
  }
  std::ifstream file(path);
  EXPECT_EQ(text, std::string(std::istreambuf_iterator<char>(file), {}));

  const json::Value value = report_json(run, config);
  EXPECT_EQ(value["saga"].as_string(), "order");
  EXPECT_FALSE(value["ok"].as_bool());
  EXPECT_EQ(value["findings"][0]["kind"].as_string(), "twice");
  EXPECT_EQ(value["findings"][0]["step"].as_string(), "reserve");
  EXPECT_EQ(value["findings"][0]["replay"].as_string().substr(0, 52),
            "flotilla simulate 'my file.yaml' --saga order --seed");
  EXPECT_GT(value["sagas"][0]["completed"].as_int().value(), 0);
}

}  // namespace
}  // namespace flotilla::saga::simulation
