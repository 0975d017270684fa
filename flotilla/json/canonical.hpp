// One form for values that mean the same, for hashing.
//
// For: what is named by the hash of its content. As RFC 8785 orders members, but with numbers as they were
// written, so 1.0 and 1 stay two contents. Ownership, threads: a pure function. Limits: those of Value.
#pragma once

#include "flotilla/json/value.hpp"

namespace flotilla::json {

// `value` with the members of every object in the order of the bytes of their keys.
[[nodiscard]] Value canonical(const Value& value);

}  // namespace flotilla::json
