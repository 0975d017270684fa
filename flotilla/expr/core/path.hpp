// Reading and removing parts of values by key, index and slice, as jq does. Pure.
#pragma once

#include <span>

#include "flotilla/expr/core/functions.hpp"
#include "flotilla/expr/core/meter.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

// value[key]: a member, an element (from the end if negative), a slice if key is {start, end}, the positions
// of a sub-array if both are arrays; null where there is none.
[[nodiscard]] Outcome get(const json::Value& value, const json::Value& key, Meter& meter);

// value[from:to] of a string (in characters), an array or null; null bounds mean the ends.
[[nodiscard]] Outcome slice(const json::Value& value, const json::Value& from, const json::Value& to,
                            Meter& meter);

// The key that get() takes for a slice.
[[nodiscard]] json::Value slice_key(const json::Value& from, const json::Value& to);

// `value` without what stands at any of `paths`, which are arrays of keys in their order (json::compare).
// Positions mean those before anything is removed; where nothing stands, nothing happens.
[[nodiscard]] Outcome without_paths(const json::Value& value, std::span<const json::Value> paths,
                                    Meter& meter);

// The positions at which `part` (not empty) stands in `array`.
[[nodiscard]] Outcome positions(const json::Value& array, const json::Value& part, Meter& meter);

}  // namespace flotilla::expr
