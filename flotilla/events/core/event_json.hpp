// An event in CloudEvents' JSON format, as readers get it.
//
// Ownership: appends to the caller's text. Threads: pure. Limits: those of the event.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/journal/core/event.hpp"

namespace flotilla::events {

// With specversion 1.0; JSON data as it was kept, other text as a string, other bytes as data_base64.
// `recorded`, an RFC 3339 time, becomes the attribute recordedtime, in place of one that the producer gave.
void append_event(std::string& out, const journal::Event& event, std::string_view recorded);

}  // namespace flotilla::events
