// The table of programs in testdata/*.txt: what each gives, or where and why it is refused.
//
// A case is three lines or more: `program`, input, then one line per output; `! message` for an error of
// evaluation, `!N message` for one of compiling at column N. Cases are separated by blank lines; # comments.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr {
namespace {

struct Case {
  std::string place;
  std::vector<std::string> lines;
};

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  for (const auto& file :
       std::filesystem::directory_iterator(FLOTILLA_SOURCE_DIR "/flotilla/expr/testdata")) {
    std::ifstream in(file.path());
    std::string line;
    bool fresh = true;
    for (int number = 1; std::getline(in, line); ++number) {
      if (line.starts_with("# ") || line.empty()) {
        fresh = fresh || line.empty();
        continue;
      }
      if (fresh) {
        cases.push_back({fmt::format("{}:{}", file.path().filename().string(), number), {}});
        fresh = false;
      }
      cases.back().lines.push_back(line);
    }
  }
  return cases;
}

// The outcome in the table's notation.
std::vector<std::string> outcome_of(const std::string& source, const std::string& input) {
  const std::string_view names[] = {"event", "data"};
  const json::Value values[] = {*json::parse(R"({"type":"order.created","id":7})"),
                                *json::parse(R"({"n":1.10})")};
  const auto program = compile(source, names);
  if (!program) {
    return {fmt::format("!{} {}", program.error().column, program.error().message)};
  }
  const auto outputs = evaluate(*program, *json::parse(input), values);
  if (!outputs) {
    return {"! " + outputs.error().message()};
  }
  std::vector<std::string> lines;
  for (const json::Value& v : *outputs) {
    lines.push_back(json::write(v));
  }
  return lines;
}

TEST(ExpressionTable, GivesWhatItSays) {
  const auto cases = read_cases();
  ASSERT_GT(cases.size(), 100U);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.place);
    ASSERT_GE(c.lines.size(), 2U);
    const std::vector<std::string> wanted(c.lines.begin() + 2, c.lines.end());
    EXPECT_EQ(outcome_of(c.lines[0], c.lines[1]), wanted) << c.lines[0];
  }
}

}  // namespace
}  // namespace flotilla::expr
