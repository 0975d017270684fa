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

// A list of one-key mappings, NAME: {...}.
[[nodiscard]] config::Kind<std::vector<StepDraft>> steps_kind();

}  // namespace flotilla::saga
