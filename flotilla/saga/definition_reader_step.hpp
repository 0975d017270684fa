// The keys of a saga's step. For: definition_reader.hpp. Ownership: values. Threads: pure functions.
#pragma once

#include "flotilla/config/spec.hpp"
#include "flotilla/saga/core/definition_draft.hpp"

namespace flotilla::saga {

inline Position position_of(const config::Node& node) { return {node.place.line, node.place.column}; }
inline Position position_of(const config::Node::Entry& entry) {
  return {entry.place.line, entry.place.column};
}

// A scalar and its place. `form` says what it is.
[[nodiscard]] config::Kind<WrittenText> written_text(std::string form);
[[nodiscard]] config::Kind<Written<Duration>> written_duration(Duration least, Duration most);

// A file with a JSON Schema, or the schema itself.
[[nodiscard]] std::optional<json::Value> read_schema(const config::Node& node, const config::Sources& sources,
                                                     config::Problems& problems);
// `schema: ...` and nothing else; the node is read when there are sources.
struct SchemaKeys {
  std::optional<config::Node> schema;
};
[[nodiscard]] config::Spec<SchemaKeys> schema_spec(std::string about, std::string doc);

// A list of one-key mappings, NAME: {...}. The sources outlive it.
[[nodiscard]] config::Kind<std::vector<StepDraft>> steps_kind(const config::Sources& sources);

}  // namespace flotilla::saga
