// A saga as people and services see it: the JSON of DESIGN 4.4, made in one place.
//
// For: the runner, which hands it out at every door; a list's rows are written with the records instead
// (saga_batch.hpp) and read back here. Ownership: values. Threads: pure functions.
// Limits: the step outputs a saga may have; a timeline is as long as its records.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/record.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {

// "scheduled", "running", ..., as in DESIGN 4.4: a saga that is suspended is "suspended", one that runs
// without its locks is "scheduled".
[[nodiscard]] std::string_view state_name(const SagaState& state, bool admitted) noexcept;
// Whether it is one of those names.
[[nodiscard]] bool is_state_name(std::string_view name) noexcept;

// {id, name, state, result?, cause?, created, changed, steps, seq, definition, ...}
[[nodiscard]] json::Value report(const SagaState& state, bool admitted);

// One record for the timeline: {seq, time, type, ...}. `definition` names its steps.
[[nodiscard]] json::Value report(const Record& record, const RecordMeta& meta, const Definition& definition);

}  // namespace flotilla::saga
