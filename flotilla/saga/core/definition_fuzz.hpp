// Fuzz target of stored definitions: whatever the journal holds, reading it ends, and what is accepted is the
// canonical text of its content.
//
// Only tests and fuzzers call it. Pure.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::saga::fuzz {

void definition(std::span<const std::byte> input);

}  // namespace flotilla::saga::fuzz
