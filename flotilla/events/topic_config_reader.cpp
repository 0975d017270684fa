#include "flotilla/events/topic_config_reader.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/config/schema_node.hpp"
#include "flotilla/config/spec.hpp"
#include "flotilla/events/personal_config_reader.hpp"
#include "flotilla/events/topic_retention.hpp"

namespace flotilla::events {
namespace {

using config::Node;
using config::Problems;
using config::Spec;

void read_key(Topic& topic, const std::string& text, const Node& node, Problems& problems) {
  static constexpr std::array<std::string_view, 1> kVariables{"event"};
  auto program = expr::compile(text, kVariables);
  if (!program) {
    problems.add(node.place, "key: " + program.error().to_error().message);
    return;
  }
  topic.key_text = text;
  topic.key = std::move(*program);
}

void read_schema(Topic& topic, const Node& node, const config::Sources& sources, Problems& problems) {
  const auto document = config::read_schema_document(node, sources, problems);
  if (!document) {
    return;
  }
  auto schema = json::Schema::compile(*document);
  if (!schema) {
    problems.add(node.place, "schema: " + schema.error().message);
    return;
  }
  topic.schema = std::move(*schema);
}

// What says whose an event is, and which ones belong together, stays readable.
void check_personal(const Topic& topic, const Node& node, Problems& problems) {
  const Node* const written = node.find("personal");
  Problems known;  // the spec has told them
  const auto personal = written == nullptr ? std::nullopt : personal_kind().read(*written, known);
  if (!personal) {
    return;
  }
  for (const journal::FieldPath& field : personal->fields) {
    if (topic.key_text == journal::to_string(field)) {
      problems.add(written->place, fmt::format("{} is the topic's key, which stays readable, so it cannot be "
                                               "personal",
                                               topic.key_text));
    }
    if (personal->subject == field) {
      problems.add(written->place, fmt::format("{} is the subject, which stays readable: use an id that says "
                                               "nothing",
                                               journal::to_string(field)));
    }
  }
}

Spec<RetainedTopic> topic_spec(const config::Sources& sources) {
  Spec<RetainedTopic> s("a topic");
  s.field_with<std::string>("key", config::text(), &read_key,
                            "an expression over the data, with $event: events of one key keep their order",
                            "none");
  auto schema = config::json_value();
  schema.form = config::kSchemaForm;
  s.field_with<std::string>(
      "schema", schema,
      [&sources](RetainedTopic& topic, const std::string&, const Node& node, Problems& problems) {
        read_schema(topic, node, sources, problems);
      },
      "what data must fulfil to be published", "none");
  s.field_with<journal::PersonalFields>(
      "personal", personal_kind(),
      [](RetainedTopic&, const journal::PersonalFields&, const Node&, Problems&) {},
      "fields that can be erased ([events](events.md#personal-data)); with a journal in SQLite", "none");
  s.field("retain", config::duration(kLeastRetention, kLongestRetention), &Topic::retain,
          "how long events are kept", "for ever");
  s.field_with<std::uint64_t>(
      "retain_size", config::size(kLeastRetainedSize, kMostRetainedSize),
      [](RetainedTopic& topic, std::uint64_t size, const Node&, Problems&) { topic.retention.size = size; },
      "how many bytes of events are kept ([events](events.md#retention)); with a journal in SQLite", "any");
  s.field_with<bool>(
      "compact", config::boolean(),
      [](RetainedTopic& topic, bool compact, const Node&, Problems&) { topic.retention.compact = compact; },
      "of each key the last event is kept ([events](events.md#compaction)); with a journal in SQLite",
      "false");
  return s;
}

const config::Sources& no_sources() {
  static const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                                    .file = [](const std::string&) { return std::nullopt; }};
  return none;
}

}  // namespace

std::vector<TopicPtr> read_topics(const Node& node, const config::Sources& sources, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to topics", problems);
    return {};
  }
  if (node.entries.size() > kMaxTopics) {
    problems.add(node.place,
                 fmt::format("{} topics, at most {} can be declared", node.entries.size(), kMaxTopics));
    return {};
  }
  const Spec<RetainedTopic> spec = topic_spec(sources);
  std::vector<TopicPtr> topics;
  for (const Node::Entry& entry : node.entries) {
    if (!is_topic_name(entry.key)) {
      problems.add(entry.place,
                   fmt::format("'{}' cannot be the name of a topic: it is letters, digits, '.', '_' "
                               "and '-', at most {}",
                               entry.key.substr(0, kMaxTopicName), kMaxTopicName));
      continue;
    }
    RetainedTopic topic{Topic{.name = entry.key}, {}};
    if (spec.read(entry.value, topic, problems)) {
      check_personal(topic, entry.value, problems);
      topics.push_back(std::make_shared<const RetainedTopic>(std::move(topic)));
    }
  }
  return topics;
}

TopicPtr default_topic(std::string name) {
  return std::make_shared<const RetainedTopic>(RetainedTopic{Topic{.name = std::move(name)}, {}});
}

const TopicRetention& retention_of(const Topic& topic) noexcept {
  return static_cast<const RetainedTopic&>(topic).retention;
}

std::string topic_schema() { return topic_spec(no_sources()).schema(); }
std::string topic_reference() { return topic_spec(no_sources()).reference(); }

}  // namespace flotilla::events
