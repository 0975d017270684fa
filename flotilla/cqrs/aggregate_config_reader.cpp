#include "flotilla/cqrs/aggregate_config_reader.hpp"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "flotilla/config/schema_node.hpp"
#include "flotilla/config/spec.hpp"
#include "flotilla/cqrs/check_config_reader.hpp"
#include "flotilla/cqrs/core/expression_aggregate.hpp"
#include "flotilla/expr/core/texts_made.hpp"
#include "flotilla/journal/core/topic.hpp"

namespace flotilla::cqrs {
namespace {

using config::Node;
using config::Problems;
using config::Sources;
using config::Spec;

constexpr std::string_view kUpcastForm = "a mapping of types to lists of expressions";

struct CommandDraft {
  std::optional<json::Schema> schema;
  std::optional<expr::Program> id;
  std::optional<expr::Program> decide;
  std::vector<CheckDraft> checks;
};

// One form of a type more.
struct UpcastDraft {
  std::string type;
  std::string text;
  expr::Program program;
};

struct AggregateDraft {
  std::string evolve_text;
  std::optional<expr::Program> evolve;
  std::uint32_t snapshot_every = 200;
  std::uint32_t retry_on_conflict = 3;
  Duration keep_replies = std::chrono::hours(24);
  std::vector<Command> commands;
  std::vector<UpcastDraft> upcasts;
};

using Compile = Result<expr::Program> (*)(const std::string&);

template <class Draft>
auto take_expression(std::optional<expr::Program> Draft::* member, const char* name, Compile compile) {
  return
      [member, name, compile](Draft& draft, const std::string& text, const Node& node, Problems& problems) {
        auto compiled = text.empty() ? Result<expr::Program>(fail(Errc::invalid, "an expression is missing"))
                                     : compile(text);
        if (!compiled) {
          problems.add(node.place, fmt::format("{}: {}", name, compiled.error().message));
          return;
        }
        draft.*member = std::move(*compiled);
      };
}

void take_schema(CommandDraft& draft, const Node& node, const Sources& sources, Problems& problems) {
  const auto document = config::read_schema_document(node, sources, problems);
  if (!document) {
    return;
  }
  auto schema = json::Schema::compile(*document);
  if (!schema) {
    problems.add(node.place, "schema: " + schema.error().message);
    return;
  }
  draft.schema = std::move(*schema);
}

Spec<CommandDraft> command_spec(const Sources& sources) {
  Spec<CommandDraft> s("a command");
  auto schema = config::json_value();
  schema.form = config::kSchemaForm;
  s.field_with<std::string>(
      "schema", schema,
      [&sources](CommandDraft& draft, const std::string&, const Node& node, Problems& problems) {
        take_schema(draft, node, sources, problems);
      },
      "what a command must fulfil", "none");
  s.field_with<std::string>("id", config::text(),
                            take_expression(&CommandDraft::id, "id", &compile_command_id),
                            "an expression over the command: which aggregate it is for");
  s.field("check", config::list_of(check_kind()), &CommandDraft::checks,
          fmt::format("calls that must answer 2xx before it is decided, one after the other, at most {}",
                      kMaxChecks),
          "none");
  s.field_with<std::string>(
      "decide", config::text(), take_expression(&CommandDraft::decide, "decide", &compile_decide),
      "over the state, with $command: `[{type, data}, ...]`, or `{error: {code, message}}`");
  s.required("id").required("decide");
  return s;
}

void read_commands(AggregateDraft& draft, const Node& node, const Sources& sources, Problems& problems) {
  if (node.kind != Node::Kind::map || node.entries.empty()) {
    config::wrong(node, "a mapping of names to commands", problems);
    return;
  }
  if (node.entries.size() > kMaxAggregateCommands) {
    problems.add(node.place, fmt::format("{} commands, at most {} can be declared for an aggregate",
                                         node.entries.size(), kMaxAggregateCommands));
    return;
  }
  const Spec<CommandDraft> spec = command_spec(sources);
  for (const Node::Entry& entry : node.entries) {
    if (!journal::is_topic_name(entry.key)) {  // one rule for what stands in paths
      problems.add(entry.place,
                   fmt::format("'{}' cannot be the name of a command: it is letters, digits, '.', "
                               "'_' and '-', at most {}",
                               entry.key.substr(0, kMaxAggregateName), kMaxAggregateName));
      continue;
    }
    CommandDraft read;
    if (!spec.read(entry.value, read, problems)) {
      continue;
    }
    if (read.checks.size() > kMaxChecks) {
      problems.add(entry.value.place,
                   fmt::format("check: {} calls, the limit is {}", read.checks.size(), kMaxChecks));
      continue;
    }
    Command command = expression_command(entry.key, *read.id, *read.decide);
    command.schema = std::move(read.schema);
    for (const std::string& type : expr::texts_made(*read.decide, "type")) {
      if (!journal::is_topic_name(type)) {
        problems.add(entry.value.find("decide")->place,
                     fmt::format("decide: the type '{}' of an event cannot be the name of a topic: it is "
                                 "letters, digits, '.', '_' and '-', at most {}",
                                 type.substr(0, journal::kMaxTopicName), journal::kMaxTopicName));
      }
      command.types.push_back(type);
    }
    for (CheckDraft& each : read.checks) {
      if (auto check = read_check(std::move(each), problems)) {
        command.checks.push_back(std::move(*check));
      }
    }
    draft.commands.push_back(std::move(command));
  }
}

void read_upcasts(AggregateDraft& draft, const Node& node, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, kUpcastForm, problems);
    return;
  }
  for (const Node::Entry& entry : node.entries) {
    if (!journal::is_topic_name(entry.key)) {
      problems.add(entry.place, fmt::format("upcast: '{}' cannot be the type of an event",
                                            entry.key.substr(0, journal::kMaxTopicName)));
    } else if (entry.value.kind != Node::Kind::list || entry.value.items.empty()) {
      config::wrong(entry.value, "a list of expressions", problems);
    } else if (entry.value.items.size() > kMaxUpcasts) {
      problems.add(entry.value.place, fmt::format("upcast: {} forms of {}, the limit is {}",
                                                  entry.value.items.size(), entry.key, kMaxUpcasts));
    } else {
      for (const Node& item : entry.value.items) {
        const auto* const text = config::scalar(item, "an expression", problems);
        auto program = text == nullptr || text->empty()
                           ? Result<expr::Program>(fail(Errc::invalid, "an expression is missing"))
                           : compile_upcast(*text);
        if (program) {
          draft.upcasts.push_back({.type = entry.key, .text = *text, .program = std::move(*program)});
        } else if (text != nullptr) {
          problems.add(item.place, fmt::format("upcast: {}", program.error().message));
        }
      }
    }
  }
}

Spec<AggregateDraft> aggregate_spec(const Sources& sources) {
  Spec<AggregateDraft> s("an aggregate");
  s.field_with<std::string>(
      "evolve", config::text(),
      [](AggregateDraft& draft, const std::string& text, const Node& node, Problems& problems) {
        take_expression(&AggregateDraft::evolve, "evolve", &compile_evolve)(draft, text, node, problems);
        draft.evolve_text = text;
      },
      "over the state so far (null at first), with $event and $data, its data: the state after the event");
  auto commands = config::json_value();
  commands.form = "a mapping, below";
  s.field_with<std::string>(
      "commands", commands,
      [&sources](AggregateDraft& draft, const std::string&, const Node& node, Problems& problems) {
        read_commands(draft, node, sources, problems);
      },
      "what can be asked of it, by names that no other aggregate has");
  auto upcast = config::json_value();
  upcast.form = kUpcastForm;
  s.field_with<std::string>(
      "upcast", upcast,
      [](AggregateDraft& draft, const std::string&, const Node& node, Problems& problems) {
        read_upcasts(draft, node, problems);
      },
      "each expression, over the data with $event, gives the next form of it: old events are folded in the "
      "newest",
      "none");
  s.field("snapshot_every", config::integer(0, 1'000'000), &AggregateDraft::snapshot_every,
          "events after which the state is kept, so that fewer are folded; 0: never", "200");
  s.field("retry_on_conflict", config::integer(0, kMaxConflictRetries), &AggregateDraft::retry_on_conflict,
          "how often a command is decided again when others were quicker; then 409", "3");
  s.field("keep_replies", config::duration(std::chrono::minutes(1), std::chrono::days(365)),
          &AggregateDraft::keep_replies, "how long an Idempotency-Key has its answer", "24h");
  s.required("evolve").required("commands");
  return s;
}

const Sources& no_sources() {
  static const Sources none{.environment = [](const std::string&) { return std::nullopt; },
                            .file = [](const std::string&) { return std::nullopt; }};
  return none;
}

AggregatePtr make_aggregate(const std::string& name, AggregateDraft draft) {
  auto aggregate = std::make_shared<Aggregate>(expression_aggregate(name, draft.evolve_text, *draft.evolve));
  for (const UpcastDraft& upcast : draft.upcasts) {
    add_upcast(*aggregate, upcast.type, upcast.text, upcast.program);
  }
  aggregate->snapshot_every = draft.snapshot_every;
  aggregate->retry_on_conflict = draft.retry_on_conflict;
  aggregate->keep_replies = draft.keep_replies;
  for (Command& command : draft.commands) {
    aggregate->commands.push_back(std::make_shared<const Command>(std::move(command)));
  }
  return aggregate;
}

}  // namespace

std::vector<AggregatePtr> read_aggregates(const Node& node, const Sources& sources, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to aggregates", problems);
    return {};
  }
  if (node.entries.size() > kMaxAggregates) {
    problems.add(node.place, fmt::format("{} aggregates, at most {} can be declared", node.entries.size(),
                                         kMaxAggregates));
    return {};
  }
  const Spec<AggregateDraft> spec = aggregate_spec(sources);
  std::vector<AggregatePtr> aggregates;
  std::map<std::string, std::string> owners;  // of commands
  for (const Node::Entry& entry : node.entries) {
    if (!journal::is_topic_name(entry.key)) {
      problems.add(entry.place, fmt::format("'{}' cannot be the name of an aggregate: it is letters, digits, "
                                            "'.', '_' and '-', at most {}",
                                            entry.key.substr(0, kMaxAggregateName), kMaxAggregateName));
      continue;
    }
    AggregateDraft draft;
    if (!spec.read(entry.value, draft, problems)) {
      continue;
    }
    for (const Command& command : draft.commands) {
      if (const auto [other, fresh] = owners.emplace(command.name, entry.key); !fresh) {
        problems.add(entry.value.find("commands")->place,
                     fmt::format("command '{}' is one of aggregate '{}': give this one another name",
                                 command.name, other->second));
      }
    }
    aggregates.push_back(make_aggregate(entry.key, std::move(draft)));
  }
  return aggregates;
}

std::string aggregate_schema() {
  return fmt::format(
      R"({{"type":"object","additionalProperties":false,"required":["evolve","commands"],"properties":{{)"
      R"("evolve":{{"type":"string"}},"commands":{{"type":"object","additionalProperties":{}}},)"
      R"("upcast":{{"type":"object","additionalProperties":{{"type":"array","minItems":1,"maxItems":{},)"
      R"("items":{{"type":"string"}}}}}},)"
      R"("snapshot_every":{},"retry_on_conflict":{},"keep_replies":{}}}}})",
      command_spec(no_sources()).schema(), kMaxUpcasts, config::integer(0, 1'000'000).schema,
      config::integer(0, kMaxConflictRetries).schema,
      config::duration(std::chrono::minutes(1), std::chrono::days(365)).schema);
}
std::string aggregate_reference() { return aggregate_spec(no_sources()).reference(); }
std::string command_reference() { return command_spec(no_sources()).reference(); }

}  // namespace flotilla::cqrs
