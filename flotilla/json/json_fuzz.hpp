// Fuzz target of the JSON reader: it and the checker must agree, and what is read must survive being written.
//
// Only tests and fuzzers call it. Pure.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::json::fuzz {

void text(std::span<const std::byte> input);

}  // namespace flotilla::json::fuzz
