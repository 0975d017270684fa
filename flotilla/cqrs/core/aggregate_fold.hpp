// One record of an aggregate's stream, and the state after it: all that decides what a state is.
//
// An old event is brought to the newest form of its type first. For: command_run.hpp, which decides on it,
// and aggregate_sight.hpp, which shows it. Ownership: values. Threads: pure functions. Limits: those of
// `evolve`.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/cqrs/core/command_io.hpp"

namespace flotilla::cqrs {

// The state after `record`, which must be the one after `version`; errors, in words, name the event.
[[nodiscard]] std::expected<State, std::string> fold_record(const Aggregate& aggregate, std::string_view id,
                                                            const State& state, std::uint64_t version,
                                                            const KeptRecord& record);
// The same of an event alone, one that is just decided, too; errors do not name it.
[[nodiscard]] std::expected<State, std::string> fold_event(const Aggregate& aggregate, const State& state,
                                                           const journal::Event& event);

}  // namespace flotilla::cqrs
