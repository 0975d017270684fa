// How many events a topic has ever had.
//
// Ownership: borrows the journal. Threads: the caller's loop. Limits: a reading of one record for each
// doubling and halving on the way to the newest, so some 40 for a million.
#pragma once

#include <cstdint>
#include <string>

#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

// Errors: those of reading.
[[nodiscard]] net::Task<Result<std::uint64_t>> count_events(journal::Journal& journal, std::string topic);

}  // namespace flotilla::events
