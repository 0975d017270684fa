// The order of a saga's steps, and whether there is a way back from each point of it.
//
// For: definition_check.hpp. Ownership: fills the sets of its caller's definition. Threads: one.
// Limits: kMaxSteps, so a set of steps is one word.
#pragma once

#include <span>

#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"
#include "flotilla/saga/core/definition_faults.hpp"

namespace flotilla::saga {

// Sets after, before, ancestors and descendants of the steps, roots and pivot. `into.steps` has the names and
// kinds of `drafts`, in their order.
void link_steps(std::span<const StepDraft> drafts, Definition& into, Faults& faults);

}  // namespace flotilla::saga
