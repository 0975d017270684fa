// A definition as canonical JSON, and back.
//
// For: the journal, which keeps each definition once under its hash, so that an instance finds the one it
// was started with however often the file has changed since. Every default is written out: a later build with
// other defaults still runs the instance as it was promised. What is absent is false, empty or none.
// The form is versioned by "format"; a member that this build does not know is an error, never skipped.
// Ownership: values. Threads: pure functions. Limits: kMaxDefinitionBytes.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"

namespace flotilla::saga {

inline constexpr std::uint32_t kDefinitionFormat = 1;

[[nodiscard]] std::string canonical_json(const Definition& definition);

// The draft that such a text was made of.
// Errors: invalid, with the member; limit; unsupported for another format.
[[nodiscard]] Result<SagaDraft> parse_draft(std::string_view json);

// The definition itself. Errors: those above, and a text that is not the canonical one of its content.
[[nodiscard]] Result<DefinitionPtr> parse_definition(std::string_view json);

}  // namespace flotilla::saga
