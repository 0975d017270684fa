#include "flotilla/events/subscription_config_reader.hpp"

#include <gtest/gtest.h>

#include "flotilla/config/node.hpp"

namespace flotilla::events {
namespace {

struct Reading {
  std::vector<SubscriptionPtr> all;
  std::vector<std::string> problems;
};

Reading read(const std::string& yaml) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  config::Problems problems;
  const auto node = config::parse_document(yaml, none, problems);
  Reading out;
  if (node) {
    out.all = read_subscriptions(*node, problems);
  }
  out.problems = problems.lines("f");
  return out;
}

TEST(SubscriptionConfig, ReadsTheOneOfTheDesign) {
  const Reading got = read(R"(
charge-new-orders:
  topic: order.created
  deliver: POST payment-service/events/order-created
  order_by: key
  concurrency: 16
  retry: { attempts: 8, backoff: 200ms..1m }
  dead_letter: order.created.dead
  on_success: payment.success
  on_failure: payment.failed
)");
  ASSERT_TRUE(got.problems.empty()) << got.problems.front();
  ASSERT_EQ(got.all.size(), 1U);
  const Subscription& s = *got.all.front();
  EXPECT_EQ(s.policy.name, "charge-new-orders");
  EXPECT_EQ(s.policy.topic, "order.created");
  EXPECT_EQ(s.deliver->service(), ServiceName("payment-service"));
  EXPECT_EQ(s.policy.order_by, OrderBy::key);
  EXPECT_EQ(s.policy.concurrency, 16U);
  EXPECT_EQ(s.policy.retry.attempts, 8U);
  EXPECT_EQ(s.policy.retry.first, std::chrono::milliseconds(200));
  EXPECT_EQ(s.policy.retry.cap, std::chrono::minutes(1));
  EXPECT_EQ(s.policy.retry.retry_after_cap, std::chrono::minutes(5));
  EXPECT_EQ(s.policy.dead_letter, "order.created.dead");
  EXPECT_EQ(s.policy.on_success, "payment.success");
  EXPECT_EQ(s.policy.on_failure, "payment.failed");
  EXPECT_FALSE(s.from_start);
  EXPECT_FALSE(s.has_holes);
}

TEST(SubscriptionConfig, HasDefaults) {
  const Reading got =
      read("a: { topic: t, deliver: { call: 'PUT s/x/{.id}', timeout: 2s }, filter: '.n > 1' }");
  ASSERT_TRUE(got.problems.empty()) << got.problems.front();
  const Subscription& s = *got.all.front();
  EXPECT_EQ(s.policy.dead_letter, "t.dead");
  EXPECT_EQ(s.policy.timeout, std::chrono::seconds(2));
  EXPECT_EQ(s.policy.retry.attempts, 16U);
  EXPECT_EQ(s.policy.after_dead_letter, AfterDeadLetter::skip);
  EXPECT_TRUE(s.has_holes);
  EXPECT_TRUE(s.filter.has_value());
}

TEST(SubscriptionConfig, SaysWhatIsWrongAndWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"5", "f:1:1: must be a mapping of names to subscriptions"},
      {"a: {}", "f:1:4: 'topic' is missing (a subscription)"},
      {"'a b': { topic: t, deliver: POST s }",
       "f:1:1: 'a b' cannot be the name of a subscription: it is letters, digits, '.', '_' and '-', at most "
       "64"},
      {"a: { topic: t/u, deliver: POST s }",
       "f:1:13: 't/u' cannot be the name of a topic: it is letters, digits, '.', '_' and '-', at most 64"},
      {"a: { topic: t, deliver: GET s/x }",
       "f:1:25: deliver: an event is sent with a body, so by POST, PUT or PATCH"},
      {"a: { topic: t, deliver: 'POST s/{id}' }",
       "f:1:25: deliver: '{id}' is a parameter of a route, and there is none; the event's data is `.`, as in "
       "{.id}"},
      {"a: { topic: t, deliver: 'POST s/{$query.x}' }", "f:1:25: deliver: there is no request, so no $query"},
      {"a: { topic: t, deliver: POST s, order_by: keys }", "f:1:43: must be one of key, none"},
      {"a: { topic: t, deliver: POST s, dead_letter: t }",
       "f:1:1: `dead_letter` must be another topic than `topic`: what was refused would come again"},
      {"a: { topic: t, deliver: POST s, order_by: none, after_dead_letter: block-key }",
       "f:1:1: `after_dead_letter` is about keys: it needs `order_by: key`"},
      {"a: { topic: t, deliver: POST s, filter: '.n >' }", "f:1:41: filter: "},
      {"a: { topic: t, deliver: POST s, concurency: 3 }",
       "f:1:33: unknown key 'concurency'; did you mean 'concurrency'?"},
  };
  for (const auto& [yaml, expected] : cases) {
    const Reading got = read(yaml);
    EXPECT_TRUE(got.all.empty()) << yaml;
    ASSERT_FALSE(got.problems.empty()) << yaml;
    EXPECT_EQ(got.problems.front().substr(0, std::string(expected).size()), expected);
  }
}

}  // namespace
}  // namespace flotilla::events
