// One event and one row: whose row it is, and what becomes of it. All that decides what a view says. A view
// whose fold is C++ asks that (journal/core/event_fold.hpp).
//
// For: the engine, and whoever folds from scratch to compare. Ownership: values. Threads: pure functions.
// Limits: those of the expression language, kMaxName of the journal for keys and rows, kMaxFoldRow for what
// a row becomes. What exceeds them, or fails, is an error in words: the view stops there, it skips nothing.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "flotilla/cqrs/core/view_definition.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/event_fold.hpp"
#include "flotilla/journal/core/fold_row.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::cqrs {

// An event as expressions see it.
using EventValues = journal::FoldInput;
[[nodiscard]] std::expected<EventValues, std::string> read_values(const journal::Event& event);

// Nothing: the event is of no concern to the view (its key or row is null or empty).
[[nodiscard]] std::expected<std::optional<journal::RowName>, std::string> place_of(const ViewDefinition& view,
                                                                                   const EventValues& values);

using journal::Folded;
// `so_far` is null where there is no row yet.
[[nodiscard]] std::expected<Folded, std::string> fold_row(const ViewDefinition& view,
                                                          const json::Value& so_far,
                                                          const EventValues& values);

}  // namespace flotilla::cqrs
