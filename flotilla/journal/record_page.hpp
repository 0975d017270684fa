// From what a store keeps to what a reader gets: strict decoding, and pages cut to their limits.
//
// For: the readers of the stores. Ownership, threads: pure functions. Limits: as asked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flotilla/journal/journal.hpp"

namespace flotilla::journal {

// Errors: unsupported, invalid; the message says beyond which position nothing can be read.
[[nodiscard]] Result<RecordPtr> stored_record(Position position, std::string category, std::string_view bytes,
                                              const Vocabulary& vocabulary);

// `found` is in order, and longer than the limits allow if there is more. `end`: how far the shard had come
// before it was asked; where a page that reaches the end goes on.
[[nodiscard]] Page cut_page(std::vector<RecordPtr> found, const PageLimits& limits, Position end);

}  // namespace flotilla::journal
