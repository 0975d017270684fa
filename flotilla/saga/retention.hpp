// Forgets, now and then, the sagas that have ended and were kept as long as any definition asks for.
//
// For: whoever runs a Runner: `app` and embedded.hpp. Ownership: all three outlive the
// task, which never ends. Threads: the loop's. Limits: small pieces with pauses, so that commits go on.
#pragma once

#include "flotilla/journal/journal.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/runner.hpp"

namespace flotilla::saga {

[[nodiscard]] net::Task<> forget_ended(net::Loop& loop, journal::Journal& journal, const Runner& runner);

}  // namespace flotilla::saga
