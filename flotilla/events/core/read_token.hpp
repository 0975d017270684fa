// How far a reader of a topic has come, in the words of the journal.
//
// Ownership, threads, limits: those of journal/core/read_token.hpp.
#pragma once

#include "flotilla/journal/core/read_token.hpp"

namespace flotilla::events {

using journal::ReadToken;

}  // namespace flotilla::events
