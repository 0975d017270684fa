// Reading a dead letter from its stream.
//
// Ownership: borrows the journal. Threads: the caller's loop. Limits: those of core/dead_letter_item.hpp.
#pragma once

#include <memory>

#include "flotilla/events/core/dead_letter_item.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

// Null if there is no such stream. Errors: those of reading; invalid, unsupported, naming the stream.
[[nodiscard]] net::Task<Result<DeadLetterPtr>> read_letter(journal::Journal& journal,
                                                           journal::StreamId stream);

}  // namespace flotilla::events
