#include "flotilla/saga/core/redact.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/core/definition_json.hpp"
#include "flotilla/saga/core/report.hpp"

namespace flotilla::saga {
namespace {

json::Value parsed(std::string_view text) { return json::parse(text).value(); }

SagaBuilder with(std::initializer_list<std::string> paths) {
  SagaBuilder builder("order");
  builder.step(StepBuilder("charge").action("POST pay/charges").no_undo("a test"));
  builder.step(StepBuilder("approve").signal({.signal = "approved", .within = {}, .abort_when_over = true}));
  for (const std::string& path : paths) {
    builder.redact(path);
  }
  return builder;
}

TEST(Redaction, HidesWhatIsDeclaredAndNothingElse) {
  const auto saga =
      with({".input.card.number", ".input.items.secret", ".steps.charge.token"}).build().value();
  const auto input = [&](std::string_view text) {
    return json::write(redacted(*saga, Redaction::Of::input, parsed(text)));
  };
  EXPECT_EQ(input(R"({"card":{"number":"4111","name":"A"},"number":1})"),
            R"({"card":{"number":"[redacted]","name":"A"},"number":1})");
  EXPECT_EQ(input(R"({"items":[{"secret":{"a":1}},{"other":2},3]})"),
            R"({"items":[{"secret":"[redacted]"},{"other":2},3]})");
  EXPECT_EQ(input(R"({"card":"4111"})"), R"({"card":"4111"})");  // another shape has no such value
  EXPECT_EQ(input(R"({"card":{"number":null}})"), R"({"card":{"number":null}})");
  EXPECT_EQ(input("7"), "7");
  const json::Value token = parsed(R"({"token":"t","card":{"number":1}})");
  EXPECT_EQ(json::write(redacted_output(*saga, 0, token)), R"({"token":"[redacted]","card":{"number":1}})");
  EXPECT_EQ(json::write(redacted_output(*saga, 1, token)), json::write(token));
  EXPECT_EQ(json::write(redacted(*saga, Redaction::Of::result, token)), json::write(token));
}

TEST(Redaction, ARootHidesAllOfIt) {
  const auto saga = with({".input", ".steps.charge", ".result"}).build().value();
  EXPECT_EQ(json::write(redacted(*saga, Redaction::Of::input, parsed("[1]"))), R"("[redacted]")");
  EXPECT_EQ(json::write(redacted(*saga, Redaction::Of::result, parsed("{}"))), R"("[redacted]")");
  EXPECT_EQ(json::write(redacted_output(*saga, 0, parsed("1"))), R"("[redacted]")");
  EXPECT_EQ(json::write(redacted_output(*saga, 0, {})), "null");
}

TEST(Redaction, StandsInTheDefinitionAndItsHash) {
  const auto saga = with({".input.card"}).build().value();
  EXPECT_NE(saga->hash, with({}).build().value()->hash);
  const auto again = parse_definition(saga->canonical);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ((*again)->hash, saga->hash);
  EXPECT_EQ(json::write(redacted(**again, Redaction::Of::input, parsed(R"({"card":1})"))),
            R"({"card":"[redacted]"})");
}

TEST(Redaction, RefusesWhatIsNoPath) {
  for (const char* const path : {"", ".", "input.card", ".steps", ".steps.none", ".input..card", ".saga.id",
                                 ".input.card.", "..input"}) {
    const auto built = with({path}).build();
    ASSERT_FALSE(built.has_value()) << path;
    EXPECT_NE(built.error().message.find("is no path to redact"), std::string::npos) << built.error().message;
  }
}

TEST(Redaction, HoldsInTimelinesToo) {
  const auto saga =
      with({".input.card", ".steps.charge.token", ".steps.approve.by", ".result"}).build().value();
  const auto shown = [&](RecordBody body) {
    return json::write(
        report(Record{.body = std::move(body), .exposed = {}}, {.seq = 1, .epoch = 1, .time = 0}, *saga));
  };
  const std::string secrets[] = {
      shown(record::Accepted{.definition = "d", .input = R"({"card":"SECRET","id":7})"}),
      shown(record::StepDone{
          .step = 0, .status = 200, .output = R"({"token":"SECRET"})", .attempts = 1, .signal = {}}),
      shown(record::Signal{.id = "s", .name = "approved", .payload = R"({"by":"SECRET"})"}),
      shown(record::Operator{.verb = Verb::set_result,
                             .step = 0,
                             .op = Op::action,
                             .who = "w",
                             .why = "y",
                             .payload = R"({"token":"SECRET"})"}),
      shown(record::Completed{.result = R"("SECRET")"}),
  };
  for (const std::string& line : secrets) {
    EXPECT_EQ(line.find("SECRET"), std::string::npos) << line;
    EXPECT_NE(line.find("[redacted]"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace flotilla::saga
