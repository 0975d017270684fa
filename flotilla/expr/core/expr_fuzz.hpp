// Fuzz target of the expression language: the input's first line is a program, the rest its JSON input.
//
// It must compile or be refused with a place inside the source, evaluate within its budget, and give the same
// twice. Only tests and fuzzers call it. Pure.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::expr::fuzz {

void program(std::span<const std::byte> input);

}  // namespace flotilla::expr::fuzz
