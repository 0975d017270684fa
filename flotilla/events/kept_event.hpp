// A record of a topic as readers get it.
//
// Ownership: appends to the caller's text. Threads: pure. Limits: those of an event.
#pragma once

#include <string>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

// In CloudEvents' JSON format, recordedtime being when it was published. Errors: invalid, for a damaged
// record, with its position.
[[nodiscard]] Result<> append_kept_event(std::string& out, const journal::StoredRecord& stored);

}  // namespace flotilla::events
