// What the file may say of choreographies, and what is wrong with it.
#include "flotilla/events/choreography_config_reader.hpp"

#include <gtest/gtest.h>

namespace flotilla::events {
namespace {

const config::Sources kNone{.environment = [](const std::string&) { return std::nullopt; },
                            .file = [](const std::string&) { return std::nullopt; }};

struct Read {
  std::vector<ChoreographyPtr> all;
  std::string problems;
};

Read read(const std::string& yaml) {
  config::Problems problems;
  Read out;
  if (const auto node = config::parse_document(yaml, kNone, problems)) {
    out.all = read_choreographies(*node, problems);
  }
  for (const std::string& line : problems.lines("f")) {
    out.problems += line + "\n";
  }
  return out;
}

TEST(ChoreographyConfig, IsReadAsWritten) {
  const Read got = read(R"(
order:
  correlate: .order_id
  start: order.created
  expect:
    - { after: order.created, one_of: [payment.success, payment.failed], within: 5m }
    - { after: payment.success, one_of: [order.shipped] }
    - { after: payment.failed, all_of: [stock.released, order.canceled], within: 10m }
  end: { ok: [order.shipped], undone: [stock.released] }
  also: [order.noted]
  on_overdue: { event: order.overdue }
  retain: 7d
plain: { start: a }
)");
  EXPECT_EQ(got.problems, "");
  ASSERT_EQ(got.all.size(), 2U);
  const Choreography& order = *got.all[0];
  EXPECT_EQ(order.expect.size(), 3U);
  EXPECT_EQ(order.expect[1].within, Duration::zero());
  EXPECT_TRUE(order.expect[2].all);
  EXPECT_EQ(topics_of(order),
            (std::vector<std::string>{"order.created", "payment.success", "payment.failed", "order.shipped",
                                      "stock.released", "order.canceled", "order.noted", "order.overdue"}));
  EXPECT_EQ(order.retain, std::chrono::days(7));
  EXPECT_EQ(got.all[1]->retain, std::chrono::days(30));
}

struct Bad {
  const char* yaml;
  const char* problems;
};
class BadChoreography : public testing::TestWithParam<Bad> {};

TEST_P(BadChoreography, IsNamedWithItsPlace) {
  const Read got = read(GetParam().yaml);
  EXPECT_EQ(got.problems, GetParam().problems);
  EXPECT_TRUE(got.all.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadChoreography,
    testing::Values(
        Bad{"c: {}", "f:1:4: 'start' is missing (a choreography)\n"},
        Bad{"c: { start: a b }",
            "f:1:13: 'a b' cannot be the name of a topic: it is letters, digits, '.', '_' and '-', at most "
            "64\n"},
        Bad{"c: { start: a, correlate: '. +' }",
            "f:1:27: correlate: column 4: the expression ends where a value belongs\n"},
        Bad{"c: { start: a, expect: [{ after: a }] }",
            "f:1:25: an expectation has either `one_of` or `all_of`\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b], all_of: [c] }] }",
            "f:1:25: an expectation has either `one_of` or `all_of`\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [] }] }",
            "f:1:45: the list is empty: name a topic, or leave the key out\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b, b] }] }",
            "f:1:49: the topic b stands here twice\n"},
        Bad{"c: { start: a, expect: [{ after: b, one_of: [c] }] }",
            "f:1:25: after b: nothing leads to it from the start, a\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b] }, { after: b, one_of: [c] }, { after: c, "
            "one_of: [b] }] }",
            "f:1:79: goes in a circle, so it would never end: b -> c -> b\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b], within: 2d }], retain: 1d }",
            "f:1:25: within 2d: transactions are forgotten before, after `retain` (1d)\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b] }], end: { ok: [c] } }",
            "f:1:58: end: nothing leads to c from the start, a; name it in `expect` (`within` may be left "
            "out)\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b] }], on_overdue: { event: o } }",
            "f:1:65: on_overdue: nothing can be overdue, for no expectation says `within`\n"},
        Bad{"c: { start: a, expect: [{ after: a, one_of: [b], within: 1s }], on_overdue: { event: b } }",
            "f:1:1: the topic b cannot be that of `on_overdue` and one of its events\n"},
        Bad{"c: { start: a, end: { ok: [b], undone: [b] } }",
            "f:1:1: the topic b cannot be both ends, `ok` and `undone`\n"},
        Bad{"c: { start: a, expext: [] }", "f:1:16: unknown key 'expext'; did you mean 'expect'?\n"}));

}  // namespace
}  // namespace flotilla::events
