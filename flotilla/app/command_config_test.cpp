// What the file as a whole makes of its aggregates: which topics and services they name.
#include "flotilla/app/command_config.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/app/command_host.hpp"

namespace flotilla::app {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr const char* kFile = R"(
topics: { order.paid: { schema: { type: object, required: [amount] } } }
aggregates:
  order:
    evolve: .
    commands:
      create: { id: .id, decide: '[{type: "order.created", data: {type: "express"}}]' }
      pay: { id: .id, decide: 'if .x then {error: {code: "no"}} else [{type: (if .y then "order.paid" else "order.closed" end)}] end' }
      any: { id: .id, decide: '[{type: $command.type}]' }
)";

std::expected<ConfigFile, ConfigErrors> parse(const std::string& text) {
  return parse_config(text, "f",
                      {.environment = [](const std::string&) { return std::nullopt; },
                       .file = [](const std::string&) { return std::nullopt; }});
}

std::optional<cqrs::CommandRefusal> decided(const cqrs::EventRules& rules, const std::string& type,
                                            std::string data) {
  journal::Event event{.attributes = {{"id", "1"}, {"type", type}}, .data = std::move(data)};
  return rules(type, event, WallTime{0});
}

TEST(CommandConfig, TypesInDecideNameTopics) {
  const auto file = parse(kFile);
  ASSERT_TRUE(file.has_value()) << file.error().front();
  std::vector<std::string> names;
  for (const events::TopicPtr& topic : file->topics) {
    names.push_back(topic->name);
  }
  EXPECT_THAT(names, UnorderedElementsAre("order.paid", "order.created", "order.closed"));
}

TEST(CommandConfig, WhatIsDecidedHasATopicOfTheFile) {
  const auto file = parse(kFile);
  ASSERT_TRUE(file.has_value());
  const cqrs::EventRules rules = event_rules(file->topics);
  EXPECT_FALSE(decided(rules, "order.created", "{}").has_value());
  EXPECT_FALSE(decided(rules, "order.paid", R"({"amount":1})").has_value());
  EXPECT_THAT(decided(rules, "order.paid", "{}")->detail, HasSubstr("its topic does not take"));
  const auto unknown = decided(rules, "order.lost", "{}");
  ASSERT_TRUE(unknown.has_value());
  EXPECT_EQ(unknown->reason, Reason::invalid);
  EXPECT_THAT(unknown->detail, HasSubstr("the file names no topic 'order.lost': declare it under `topics:`"));
}

TEST(CommandConfig, RefusesATypeThatIsNoTopic) {
  const auto file =
      parse("aggregates: { a: { evolve: ., commands: { c: { id: .x, decide: '[{type: \"a b\"}]' } } } }");
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(
      file.error().front(),
      "f:1:64: decide: the type 'a b' of an event cannot be the name of a topic: it is letters, digits, "
      "'.', '_' and '-', at most 64");
}

}  // namespace
}  // namespace flotilla::app
