// One step of a saga: its rules, its defaults, its compiled requests.
//
// For: definition_check.hpp, after the graph is known. Ownership: fills one step of its caller's definition.
// Threads: one.
#pragma once

#include <span>

#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"
#include "flotilla/saga/core/definition_faults.hpp"

namespace flotilla::saga {

// `into.steps[index]` has its name, kind and sets. `known` as in check_definition.
void complete_step(const StepDraft& draft, StepIndex index, Definition& into,
                   std::span<const DefinitionPtr> known, Faults& faults);

}  // namespace flotilla::saga
