#include "flotilla/cqrs/aggregate_config_reader.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct Reading {
  std::vector<AggregatePtr> all;
  std::vector<std::string> problems;
};

Reading read(const std::string& yaml) {
  const config::Sources files{
      .environment = [](const std::string&) { return std::nullopt; },
      .file =
          [](const std::string& path) {
            return path == "create.json"
                       ? std::optional<std::string>(R"({"type":"object","required":["order_id"]})")
                       : std::nullopt;
          }};
  config::Problems problems;
  const auto node = config::parse_document(yaml, files, problems);
  Reading out;
  if (node) {
    out.all = read_aggregates(*node, files, problems);
  }
  out.problems = problems.lines("f");
  return out;
}

TEST(AggregateConfig, ReadsTheOneOfTheDesign) {
  const Reading got = read(R"(
order:
  evolve: 'if $event.type == "order.created" then $data + {status: "pending"} else . end'
  keep_replies: 2h
  commands:
    create-order:
      schema: create.json
      id: .order_id
      check: ["POST inventory-service/check"]
      decide: 'if . then {error: {code: "exists", message: "the order exists"}} else [{type: "order.created", data: $command}] end'
)");
  ASSERT_THAT(got.problems, IsEmpty());
  ASSERT_EQ(got.all.size(), 1U);
  const Aggregate& order = *got.all.front();
  EXPECT_EQ(order.name, "order");
  EXPECT_EQ(order.snapshot_every, 200U);
  EXPECT_EQ(order.retry_on_conflict, 3U);
  EXPECT_EQ(order.keep_replies, std::chrono::hours(2));
  ASSERT_EQ(order.commands.size(), 1U);
  const Command& create = *order.commands.front();
  const json::Value body = *json::parse(R"({"order_id":"o-1"})");
  EXPECT_TRUE(create.schema->validate(body).has_value());
  EXPECT_EQ(create.id(body).value(), "o-1");
  ASSERT_EQ(create.checks.size(), 1U);
  EXPECT_EQ(create.checks.front().call.service().value(), "inventory-service");
  const auto decided = create.decide(order.initial, body);
  EXPECT_EQ(std::get<std::vector<NewEvent>>(*decided).front().type, "order.created");
  const auto state =
      order.evolve(order.initial, {.data = body, .event = *json::parse(R"({"type":"order.created"})")});
  EXPECT_EQ(std::get<Refused>(*create.decide(*state, body)).code, "exists");
}

TEST(AggregateConfig, ReadsWhatAChecksCallHas) {
  const Reading got = read(R"(
a:
  evolve: .
  upcast: { t: [., '{x: .}'] }
  commands:
    c:
      id: .x
      check: [{ call: POST s/x, headers: { X-Tenant: "{.tenant}" } }, POST s/y]
      decide: '[{type: "t"}, {type: .y}]'
)");
  ASSERT_THAT(got.problems, IsEmpty());
  const Command& command = *got.all.front()->commands.front();
  EXPECT_EQ(command.types, std::vector<std::string>{"t"});
  ASSERT_EQ(command.checks.size(), 2U);
  EXPECT_EQ(command.checks[0].headers.front().first, "X-Tenant");
  EXPECT_TRUE(command.checks[1].headers.empty());
  EXPECT_EQ(newest_form(got.all.front()->upcasts, "t"), 3U);
}

TEST(AggregateConfig, AnotherUpcastIsAnotherFold) {
  const auto fold = [](const std::string& upcast) {
    return read("a: { evolve: ., " + upcast + "commands: { c: { id: .x, decide: '[]' } } }").all.at(0)->fold;
  };
  const std::set<std::uint64_t> folds{fold(""),
                                      fold("upcast: { t: [.x] }, "),
                                      fold("upcast: { t: [.y] }, "),
                                      fold("upcast: { u: [.x] }, "),
                                      fold("upcast: { t: [.x, .x] }, "),
                                      fold("upcast: { t: [.x, .y] }, "),
                                      fold("upcast: { t: [.y, .x] }, ")};
  EXPECT_EQ(folds.size(), 7U);
  EXPECT_EQ(fold("upcast: { t: [.x], u: [.y] }, "), fold("upcast: { u: [.y], t: [.x] }, "));
}

TEST(AggregateConfig, SaysWhatIsWrongAndWhere) {
  const auto with = [](const std::string& command) {
    return "a: { evolve: ., commands: { c: " + command + " } }";
  };
  struct {
    std::string yaml;
    const char* problem;
  } const cases[] = {
      {"[]", "f:1:1: must be a mapping of names to aggregates"},
      {"a: { commands: {} }", "'evolve' is missing"},
      {"a: { evolve: . }", "'commands' is missing"},
      {"a: { evolve: ., commands: [] }", "must be a mapping of names to commands"},
      {"a: { evolve: '. +', commands: { c: { id: .x, decide: '[]' } } }", "f:1:14: evolve: column "},
      {"a/b: { evolve: ., commands: { c: { id: .x, decide: '[]' } } }",
       "'a/b' cannot be the name of an aggregate"},
      {"a: { evolve: ., commands: { c/d: { id: .x, decide: '[]' } } }",
       "'c/d' cannot be the name of a command"},
      {with("{ decide: '[]' }"), "'id' is missing"},
      {with("{ id: .x }"), "'decide' is missing"},
      {with("{ id: '', decide: '[]' }"), "id: an expression is missing"},
      {with("{ id: .x, decide: $data }"), "decide: "},
      {with("{ id: .x, decide: '[]', schema: nowhere.json }"), "nowhere.json"},
      {with("{ id: .x, decide: '[]', schema: { type: nothing } }"), "schema: "},
      {with("{ id: .x, decide: '[]', check: POST s/x }"), "must be a list, each METHOD service/path"},
      {with("{ id: .x, decide: '[]', check: [POST] }"), "check: "},
      {with("{ id: .x, decide: '[]', check: ['POST s/{id}'] }"),
       "'{id}' is a parameter of a route, and there is none"},
      {with("{ id: .x, decide: '[]', check: ['POST s/{$body.x}'] }"), "there is no request, so no $body"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, body: '.x |' }] }"), "body: column "},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, retry: 3 }] }"),
       "'retry' is not in this build yet"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, headers: [X-A] }] }"),
       "must be a mapping of header names to templates"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, headers: { Idempotency-Key: x } }] }"),
       "f:1:91: check: header 'Idempotency-Key': Flotilla sets it itself; take it out"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, headers: { 'a b': x } }] }"),
       "header 'a b': that is not a header's name"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, headers: { X-A: x, x-a: y } }] }"),
       "header 'x-a': it stands twice; keep one"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, headers: { X-A: '{id}' } }] }"),
       "header 'X-A': '{id}' is a parameter of a route"},
      {with("{ id: .x, decide: '[]', check: [{ call: POST s, headers: { X-A: '{$headers.y}' } }] }"),
       "header 'X-A': there is no request, so no $headers"},
      {with("{ id: .x, decide: '[{type: \"a b\"}]' }"),
       "the type 'a b' of an event cannot be the name of a topic"},
      {"a: { evolve: ., upcast: [], commands: { c: { id: .x, decide: '[]' } } }",
       "must be a mapping of types to lists of expressions"},
      {"a: { evolve: ., upcast: { t: [] }, commands: { c: { id: .x, decide: '[]' } } }",
       "f:1:30: must be a list of expressions"},
      {"a: { evolve: ., upcast: { t: ['.x |'] }, commands: { c: { id: .x, decide: '[]' } } }",
       "f:1:31: upcast: column "},
      {"a: { evolve: ., upcast: { 'a b': [.] }, commands: { c: { id: .x, decide: '[]' } } }",
       "upcast: 'a b' cannot be the type of an event"},
      {with("{ id: .x, decide: '[]', check: [POST s, POST s, POST s, POST s, POST s, POST s, POST s, POST s, "
            "POST s] }"),
       "check: 9 calls, the limit is 8"},
      {"a: { evolve: ., commands: { c: { id: .x, decide: '[]' } } }\n"
       "b: { evolve: ., commands: { c: { id: .x, decide: '[]' } } }",
       "f:2:27: command 'c' is one of aggregate 'a': give this one another name"},
      {"a: { evolve: ., retry_on_conflict: 101, commands: { c: { id: .x, decide: '[]' } } }", "f:1:36: "},
      {"a: { evolve: ., keep_replies: 10s, commands: { c: { id: .x, decide: '[]' } } }", "f:1:31: "},
      {"a: { evolve: ., commands: { c: { id: .x, decide: '[]', wait: 1s } } }", "unknown key 'wait'"},
  };
  for (const auto& c : cases) {
    const Reading got = read(c.yaml);
    ASSERT_FALSE(got.problems.empty()) << c.yaml;
    EXPECT_THAT(got.problems.front(), HasSubstr(c.problem)) << c.yaml;
  }
}

}  // namespace
}  // namespace flotilla::cqrs
