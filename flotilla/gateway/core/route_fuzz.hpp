// Fuzz target of the router: tests/fuzz gives it an entry, and ctest replays tests/fuzz/corpus/routes/.
//
// The first line is a request's path, each other line the pattern of a route. Whatever they are, match()
// agrees with explain(), and captures are parts of the path. Ownership: none. Threads: pure. Limits: those of
// the router.
#pragma once

#include <cstddef>
#include <span>

namespace flotilla::gateway::fuzz {

void routes(std::span<const std::byte> input);

}  // namespace flotilla::gateway::fuzz
