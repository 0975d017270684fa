// Fuzz target of JSON Schema: whatever schema meets whatever value, compiling and judging end, agree with
// themselves, and tell paths that exist.
//
// Only tests and fuzzers call it. Pure.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::json::fuzz {

// A schema, a line feed, a value.
void schema(std::span<const std::byte> input);

}  // namespace flotilla::json::fuzz
