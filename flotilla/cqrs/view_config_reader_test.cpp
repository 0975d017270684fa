#include "flotilla/cqrs/view_config_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Reading {
  std::vector<ViewDefinitionPtr> all;
  std::vector<std::string> problems;
};

Reading read(const std::string& yaml) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  config::Problems problems;
  const auto node = config::parse_document(yaml, none, problems);
  Reading out;
  if (node) {
    out.all = read_views(*node, problems);
  }
  out.problems = problems.lines("f");
  return out;
}

TEST(ViewConfig, ReadsTheOneOfTheDesign) {
  const Reading got = read(R"(
user_orders:
  from: [order.created, payment.success, payment.failed]
  key: .user_id
  row: .order_id
  fold: '(. // {}) + $data + {status: $event.type}'
  cache: 1h
)");
  ASSERT_THAT(got.problems, IsEmpty());
  ASSERT_EQ(got.all.size(), 1U);
  const ViewDefinition& view = *got.all.front();
  EXPECT_EQ(view.name, "user_orders");
  EXPECT_THAT(view.texts.from, ElementsAre("order.created", "payment.success", "payment.failed"));
  EXPECT_EQ(view.texts.key, ".user_id");
  EXPECT_TRUE(view.by_row());
  EXPECT_EQ(view.texts.fold, "(. // {}) + $data + {status: $event.type}");
  EXPECT_EQ(view.cache, std::chrono::hours(1));
  // It is no matter of the rows: another life builds nothing anew.
  EXPECT_EQ(view.hash, (*compile_view("other", view.texts))->hash);
}

TEST(ViewConfig, SaysWhatIsWrongAndWhere) {
  struct {
    const char* yaml;
    const char* problem;
  } const cases[] = {
      {"v: { key: .k, fold: . }", "f:1:4: 'from' is missing"},
      {"v: { from: [a], fold: . }", "f:1:4: 'key' is missing"},
      {"v: { from: [a], key: .k }", "f:1:4: 'fold' is missing"},
      {"v: { from: [a], key: .k, fold: '. +' }", "f:1:32: fold: column "},
      {"v: { from: [a], key: $data, fold: . }", "f:1:22: key: "},
      {"v: { from: [a], key: .k, row: '', fold: . }", "f:1:31: row: an expression is missing"},
      {"v: { from: [], key: .k, fold: . }", "f:1:12: from: a view folds 1 to 16 topics, this one has 0"},
      {"v: { from: [a, b/c], key: .k, fold: . }", "f:1:16: 'b/c' cannot be the name of a topic"},
      {"v: { from: [a, a], key: .k, fold: . }", "f:1:16: the topic a stands here twice"},
      {"v: { from: a, key: .k, fold: . }", "f:1:12: "},
      {"v: { from: [a], key: .k, fold: ., cache: 1ms }", "f:1:42: "},
      {"v: { from: [a], key: .k, fold: ., keys: x }", "f:1:35: unknown key 'keys'"},
      {"a b: { from: [a], key: .k, fold: . }", "f:1:1: 'a b' cannot be the name of a view"},
      {"[v]", "f:1:1: "},
  };
  for (const auto& c : cases) {
    const Reading got = read(c.yaml);
    ASSERT_EQ(got.problems.size(), 1U) << c.yaml << testing::PrintToString(got.problems);
    EXPECT_TRUE(got.problems.front().starts_with(c.problem)) << got.problems.front() << "\n for " << c.yaml;
    EXPECT_THAT(got.all, IsEmpty());
  }
}

}  // namespace
}  // namespace flotilla::cqrs
