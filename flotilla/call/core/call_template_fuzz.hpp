// Fuzz target of call templates: tests/fuzz gives it an entry, and ctest replays
// tests/fuzz/corpus/call_template/.
//
// The first line is a template, the rest the value of its every parameter. Whatever they are, a rendered
// target has exactly the segments and query separators that the same template has with a harmless value.
// Ownership: none. Threads: pure. Limits: those of templates.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::call::fuzz {

void call_template(std::span<const std::byte> input);

}  // namespace flotilla::call::fuzz
