#include "flotilla/gateway/core/compose_run.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/gateway/core/compose_plan.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::gateway {
namespace {

std::string take_word(std::string& line) {
  line.erase(0, std::min(line.find_first_not_of(' '), line.size()));
  const std::size_t end = std::min(line.find(' '), line.size());
  std::string word = line.substr(0, end);
  line.erase(0, std::min(end + 1, line.size()));
  return word;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

Reason reason_named(std::string_view name) {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (to_string(static_cast<Reason>(i)) == name) {
      return static_cast<Reason>(i);
    }
  }
  ADD_FAILURE() << "no reason " << name;
  return Reason::reset;
}

// One scenario of testdata/compose.txt.
class Scenario {
 public:
  void add(std::string line, int number) {
    const std::string whole = line;
    const std::string word = take_word(line);
    if (word == "branch") {
      add_branch(line);
    } else if (word == "body") {
      const std::string name = take_word(line);
      branch(name).body = Text{line};
    } else if (word == "header") {
      const std::string name = take_word(line);
      const std::size_t colon = line.find(": ");
      branch(name).headers.emplace_back(line.substr(0, colon), Text{line.substr(colon + 2)});
    } else if (word == "only") {
      only_ = split_at_commas(line);
    } else if (word == "shape") {
      shape_ = Text{line};
    } else if (word == "error") {
      error_ = line;
    } else if (word == "do" || word == ">") {
      steps_.emplace_back(number, whole);
    } else {
      auto value = json::parse(line);
      ASSERT_TRUE(value) << "line " << number;
      json::Value& into = word == "path"      ? input_.path
                          : word == "query"   ? input_.query
                          : word == "headers" ? input_.headers
                                              : input_.body;
      into = *std::move(value);
    }
  }

  void run() const {
    const auto plan = ComposePlan::build({.name = "test", .branches = branches_});
    if (!plan) {
      EXPECT_EQ(plan.error().message, error_);
      return;
    }
    const auto view = ComposeView::build(*plan, only_, shape_);
    if (!view) {
      EXPECT_EQ(view.error().message, error_);
      return;
    }
    EXPECT_EQ(error_, "");
    EXPECT_FALSE(steps_.empty());
    ComposeRun run(*plan, *view, input_);
    for (std::size_t i = 0; i < steps_.size();) {
      const auto& [number, event] = steps_[i++];
      std::vector<std::string> expected;
      while (i < steps_.size() && steps_[i].second.starts_with("> ")) {
        expected.push_back(steps_[i++].second.substr(2));
      }
      EXPECT_EQ(effects(*plan, apply(run, *plan, event)), expected) << "line " << number << ": " << event;
    }
  }

 private:
  BranchConfig& branch(std::string_view name) {
    return *std::ranges::find_if(branches_, [name](const BranchConfig& b) { return b.name == name; });
  }

  void add_branch(std::string line) {
    BranchConfig config{.name = take_word(line), .call = {}};
    while (true) {
      const std::string word = take_word(line);
      if (word == "optional") {
        config.optional = true;
      } else if (word.starts_with("default=")) {
        config.fallback = word.substr(8);
      } else if (word.starts_with("timeout=")) {
        config.timeout = Millis(*parse_int<int>(word.substr(8)));
      } else if (word.starts_with("after=")) {
        config.after = split_at_commas(word.substr(6));
      } else {
        config.call.text = word + " " + line;
        break;
      }
    }
    branches_.push_back(std::move(config));
  }

  static ComposeStep apply(ComposeRun& run, const ComposePlan& plan, std::string event) {
    static_cast<void>(take_word(event));  // "do"
    const std::string name = take_word(event);
    if (name == "start") {
      return run.start();
    }
    if (name == "deadline") {
      return run.on_deadline();
    }
    const BranchId id = plan.find(name).value();
    const std::string status = take_word(event);
    if (status != "fails") {
      return run.on_result(
          id, BranchAnswer{.status = *parse_int<std::uint16_t>(status), .body = std::string(trim(event))});
    }
    BranchFailure failure{.reason = reason_named(take_word(event)), .effect = Effect::none};
    if (event.starts_with("retry=")) {
      failure.retry_after = parse_int<std::uint32_t>(event.substr(6));
    }
    return run.on_result(id, failure);
  }

  static std::vector<std::string> effects(const ComposePlan& plan, const ComposeStep& step) {
    std::vector<std::string> lines;
    for (const BranchCall& call : step.start) {
      const Branch& branch = plan.branches()[call.branch];
      std::string line = "start " + branch.name + " " + branch.call.method() + " " +
                         branch.call.service().value() + " " + call.target;
      for (const http::Field& header : call.headers) {
        line += " " + header.name + ": " + header.value;
      }
      lines.push_back(call.body ? line + " " + *call.body : line);
    }
    std::string cancelled;
    for (BranchId id = 0; id < plan.branches().size(); ++id) {
      cancelled += (step.cancel & branch_bit(id)) != 0 ? " " + plan.branches()[id].name : "";
    }
    if (!cancelled.empty()) {
      lines.push_back("cancel" + cancelled);
    }
    if (step.answer) {
      lines.push_back("answer " + std::to_string(step.answer->status) + " " + step.answer->body);
      for (const http::Field& header : step.answer->headers) {
        if (header.name != "Content-Type") {
          lines.push_back(header.name + ": " + header.value);
        }
      }
    }
    return lines;
  }

  std::vector<BranchConfig> branches_;
  std::vector<std::string> only_;
  std::optional<Text> shape_;
  std::string error_;
  ComposeInput input_{json::Value::object(), json::Value::object(), json::Value::object(), {}};
  std::vector<std::pair<int, std::string>> steps_;
};

TEST(Compose, GoldenScenarios) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/gateway/testdata/compose.txt");
  ASSERT_TRUE(file);
  std::vector<std::pair<std::string, Scenario>> scenarios;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with("scenario ")) {
      scenarios.emplace_back(line.substr(9), Scenario());
    } else if (!line.empty() && line[0] != '#') {
      scenarios.back().second.add(line, number);
    }
  }
  EXPECT_GT(scenarios.size(), 25U);
  for (const auto& [title, scenario] : scenarios) {
    SCOPED_TRACE(title);
    scenario.run();
  }
}

TEST(Compose, BodiesAreBounded) {
  const std::vector<BranchConfig> branches{{.name = "a", .call = {"GET s/a"}, .optional = true}};
  const auto plan = ComposePlan::build({.name = "test", .branches = branches});
  ASSERT_TRUE(plan);
  const auto view = ComposeView::build(*plan, {}, std::nullopt);
  ComposeRun run(*plan, *view, {});
  EXPECT_EQ(run.start().start.size(), 1U);
  const ComposeStep step =
      run.on_result(0, BranchAnswer{.body = "\"" + std::string(kMaxBranchBytes, 'x') + "\""});
  EXPECT_EQ(step.answer->body, R"({"a":null})");
  EXPECT_EQ(step.answer->headers.get("Flotilla-Missing"), "a;reason=bad-answer;status=200");
}

TEST(Compose, KnowsWhatItReadsOfTheRequest) {
  const std::vector<BranchConfig> branches{
      {.name = "plain", .call = {"GET s/{id}?x={$query.x}"}},
      {.name = "header", .call = {"GET s/a"}, .headers = {{"X-A", {"{$headers.a}"}}}},
      {.name = "body", .call = {"POST s/a"}, .body = Text{"{a: $body.a}"}}};
  const auto plan = ComposePlan::build({.name = "test", .branches = branches});
  ASSERT_TRUE(plan);
  const auto reads = [&](std::vector<std::string> only, std::optional<Text> shape) {
    const auto view = ComposeView::build(*plan, only, shape);
    return std::pair(view->reads_body(), view->reads_headers());
  };
  EXPECT_EQ(reads({"plain"}, {}), std::pair(false, false));
  EXPECT_EQ(reads({"header"}, {}), std::pair(false, true));
  EXPECT_EQ(reads({"body"}, {}), std::pair(true, false));
  EXPECT_EQ(reads({"plain"}, Text{"{a: $headers.x, b: $body}"}), std::pair(true, true));
}

TEST(Compose, BranchesAreBounded) {
  std::vector<BranchConfig> branches;
  EXPECT_EQ(ComposePlan::build({.name = "test", .branches = branches}).error().code, Errc::limit);
  for (std::size_t i = 0; i <= kMaxBranches; ++i) {
    branches.push_back({.name = "b" + std::to_string(i), .call = {"GET s/a"}});
  }
  EXPECT_EQ(ComposePlan::build({.name = "test", .branches = branches}).error().code, Errc::limit);
  branches.pop_back();
  EXPECT_TRUE(ComposePlan::build({.name = "test", .branches = branches}));
}

// Random plans, and answers in random order: every branch is started at most once and only after all it waits
// for answered; exactly one answer comes; it is a failure exactly if a required branch failed; and the body
// of a whole answer does not depend on the order.
TEST(Compose, HoldsItsRulesOnRandomPlans) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<BranchConfig> branches;
    const std::uint64_t count = 1 + random.below(kMaxBranches);
    for (std::uint64_t i = 0; i < count; ++i) {
      BranchConfig config{.name = "b" + std::to_string(i),
                          .call = {"GET s/" + std::to_string(i)},
                          .optional = random.below(2) == 0};
      for (std::uint64_t n = random.below(3); n > 0 && i > 0; --n) {
        const std::uint64_t other = random.below(i);
        if (config.optional || !branches[other].optional) {
          config.after.push_back(branches[other].name);
        }
      }
      branches.push_back(std::move(config));
    }
    const auto plan = ComposePlan::build({.name = "random", .branches = branches});
    ASSERT_TRUE(plan) << plan.error().message;
    const auto view = ComposeView::build(*plan, {}, std::nullopt);
    ComposeRun run(*plan, *view, {});
    std::vector<BranchId> running;
    BranchSet started = 0;
    BranchSet answered = 0;
    bool required_failed = false;
    bool any_failed = false;
    ComposeStep step = run.start();
    while (true) {
      for (const BranchCall& call : step.start) {
        ASSERT_EQ(started & branch_bit(call.branch), 0U);
        started |= branch_bit(call.branch);
        const BranchSet after = plan->branches()[call.branch].after;
        ASSERT_EQ(after & answered, after);
        running.push_back(call.branch);
      }
      if (step.answer) {
        break;
      }
      ASSERT_FALSE(running.empty());
      const std::size_t at = random.below(running.size());
      const BranchId id = running[at];
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
      if (random.below(6) == 0) {
        any_failed = true;
        required_failed = required_failed || !branches[id].optional;
        step = run.on_result(id, BranchFailure{});
      } else {
        answered |= branch_bit(id);
        step = run.on_result(id, BranchAnswer{.body = std::to_string(id)});
      }
    }
    EXPECT_EQ(step.answer->status, required_failed ? 502 : 200);
    EXPECT_EQ(required_failed || running.empty(), true);
    EXPECT_EQ(step.answer->headers.contains("Flotilla-Missing"), any_failed && !required_failed);
    if (!any_failed) {
      std::string expected = "{";
      for (std::uint64_t i = 0; i < count; ++i) {
        expected += (i == 0 ? "" : ",") + std::string("\"b") + std::to_string(i) + "\":" + std::to_string(i);
      }
      EXPECT_EQ(step.answer->body, expected + "}");
    }
  }
}

}  // namespace
}  // namespace flotilla::gateway
