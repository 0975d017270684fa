// What is personal where: in topics as the file says, and in what is made of them.
#include "flotilla/events/erasure.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/personal_config_reader.hpp"
#include "flotilla/events/topic_config_reader.hpp"

namespace flotilla::events {
namespace {

using journal::PersonalFields;
using Policies = journal::KeyVault::Policies;

std::string paths(const PersonalFields& personal) {
  std::string text = journal::to_string(personal.subject) + ":";
  for (const journal::FieldPath& field : personal.fields) {
    text += " " + journal::to_string(field);
  }
  return text;
}

TEST(PersonalTopics, WhatIsMadeOfATopicIsPersonalToo) {
  const Policies declared{{"orders", {.subject = {"user"}, .fields = {{"email"}}}}};
  const Policies all = personal_topics(declared, {{"failed", "failed.dead"},  // before it is known to be
                                                  {"orders", "orders.dead"},
                                                  {"orders", "failed"},
                                                  {"orders", ""},
                                                  {"notes", "notes.dead"},
                                                  {"failed.dead", "failed"}});
  ASSERT_EQ(all.size(), 4U);
  for (const char* const topic : {"orders", "orders.dead", "failed", "failed.dead"}) {
    EXPECT_EQ(paths(all.at(topic)), ".user: .email") << topic;
  }
}

TEST(PersonalTopics, OneThatGetsOfSeveralHasAllTheirFields) {
  const Policies declared{{"a", {.subject = {"user"}, .fields = {{"email"}}}},
                          {"b", {.subject = {"customer"}, .fields = {{"email"}, {"street"}}}},
                          {"c", {.subject = {"own"}, .fields = {{"x"}}}}};
  const Policies all = personal_topics(declared, {{"a", "dead"}, {"b", "dead"}, {"a", "c"}});
  EXPECT_EQ(paths(all.at("dead")), ".user: .email .street");
  EXPECT_EQ(paths(all.at("c")), ".own: .x .email");
  EXPECT_EQ(paths(all.at("a")), ".user: .email");
}

TEST(PersonalTopics, WithoutAnyThereIsNothing) { EXPECT_TRUE(personal_topics({}, {{"a", "b"}}).empty()); }

struct Read {
  std::vector<TopicPtr> topics;
  std::map<std::string, PersonalFields, std::less<>> personal;
  config::Problems problems;
};

Read read(const std::string& text) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  Read out;
  if (const auto node = config::parse_document(text, none, out.problems)) {
    out.topics = read_topics(*node, none, out.problems);
    out.personal = read_personal_topics(*node);
  }
  return out;
}

TEST(PersonalConfig, IsReadBesideTheTopic) {
  const Read out =
      read("orders: { personal: { fields: [.email, .a.b], subject: .user_id }, key: .user_id }\nnotes: {}\n");
  EXPECT_TRUE(out.problems.empty());
  EXPECT_EQ(out.topics.size(), 2U);
  ASSERT_EQ(out.personal.size(), 1U);
  EXPECT_EQ(paths(out.personal.at("orders")), ".user_id: .email .a.b");
}

TEST(PersonalConfig, WhatStaysReadableCannotBePersonal) {
  EXPECT_FALSE(
      read("orders: { personal: { fields: [.email], subject: .id }, key: .email }\n").problems.empty());
  EXPECT_FALSE(read("orders: { personal: { fields: [.id], subject: .id } }\n").problems.empty());
}

TEST(PersonalConfig, WhatIsWrongIsSaid) {
  for (const char* const text : {"{ fields: [.email] }", "{ subject: .id }", "{ subject: .id, fields: [] }",
                                 "{ subject: id, fields: [.email] }", "{ subject: .id, fields: .email }",
                                 "{ subject: .id, fields: [.email, .a[0]] }", "yes"}) {
    EXPECT_FALSE(read(std::string("orders: { personal: ") + text + " }\n").problems.empty()) << text;
  }
}

}  // namespace
}  // namespace flotilla::events
