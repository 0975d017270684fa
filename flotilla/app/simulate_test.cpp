// The command `flotilla simulate` as a function: files, choices, and the shop's own saga.
#include "flotilla/app/simulate.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "flotilla/app/demo_texts.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::app {
namespace {

struct Said {
  int code = 0;
  std::string out;
  std::string err;
};

Said say(const SimulateOptions& options) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said{.code = simulate(options), .out = {}, .err = {}};
  std::fflush(nullptr);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

std::string file_with(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path) << text;
  return path;
}

constexpr const char* kTwo = R"(sagas:
  one: { steps: [ { a: { action: PUT s/a, undo: DELETE s/a, undo_404_ok: true } } ] }
  two:
    input: { schema: { type: object, required: [n], properties: { n: { type: string, pattern: "^[a-z]{9}$" } } } }
    steps: [ { a: { action: "PUT s/{.input.n}", undo: "DELETE s/{.input.n}", undo_404_ok: true } } ]
)";

TEST(Simulate, TheShopsOrder) {
  const std::string path = file_with("simulate_shop.yaml", demo_file(DemoPorts{}, false));
  SimulateOptions options{.file = path, .saga = "place-order", .seeds = 150, .json = true};
  const Said found = say(options);
  EXPECT_EQ(found.code, 1) << found.err;
  const auto report = json::parse(found.out);
  ASSERT_TRUE(report) << found.out;
  EXPECT_EQ((*report)["violations"].size(), 0U);
  EXPECT_GT((*report)["sagas"][0]["completed"].as_int().value(), 500);
  EXPECT_GT((*report)["sagas"][0]["compensated"].as_int().value(), 100);
  // What its file leaves open: these two say nothing of keys.
  for (const json::Value& each : (*report)["findings"].items()) {
    const std::string_view step = each["step"].as_string();
    EXPECT_TRUE(step == "reserve" || step == "notify") << each["detail"].as_string();
    EXPECT_TRUE(each["kind"].as_string() == "twice" || each["kind"].as_string() == "not-undone");
  }
  options.accept = {"twice:reserve", "twice:notify", "not-undone"};
  EXPECT_EQ(say(options).code, 0);
}

TEST(Simulate, SaysWhatItCannotDo) {
  const std::string path = file_with("simulate_two.yaml", kTwo);
  const struct {
    SimulateOptions options;
    std::string err;
  } cases[] = {
      {{.file = path, .seeds = 1}, "names several sagas; say which with --saga: one, two"},
      {{.file = path, .saga = "three", .seeds = 1}, "has no saga 'three'; it has one, two"},
      {{.file = path, .saga = "two", .seeds = 1}, "no input could be made up"},
      {{.file = path, .saga = "two", .seeds = 1, .input = "{"}, "--input is not JSON"},
      {{.file = path, .saga = "two", .seeds = 1, .input = R"({"n":1})"}, "--input is not what 'two' takes"},
      {{.file = file_with("simulate_none.yaml", "flotilla: 1\n"), .seeds = 1}, "names no sagas"},
      {{.file = path + ".missing", .seeds = 1}, "simulate_two.yaml.missing"},
  };
  for (const auto& c : cases) {
    const Said said = say(c.options);
    EXPECT_EQ(said.code, 1) << c.err;
    EXPECT_EQ(said.out, "");
    EXPECT_NE(said.err.find(c.err), std::string::npos) << said.err;
  }
  const Said good = say({.file = path, .saga = "two", .seeds = 20, .input = R"({"n":"abcdefghi"})"});
  EXPECT_EQ(good.code, 0) << good.out << good.err;
}

TEST(Simulate, TracesOneSeed) {
  const std::string path = file_with("simulate_two.yaml", kTwo);
  const Said said = say({.file = path, .saga = "one", .seed = 3, .seeds = 1, .events = 50, .trace = true});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("sends action of a"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("one: seeds 3 to 3"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::app
