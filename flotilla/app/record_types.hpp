// Every type of record that this program knows, for whoever opens its journal.
//
// Ownership: a value. Threads: pure.
#pragma once

#include "flotilla/journal/core/record.hpp"

namespace flotilla::app {

[[nodiscard]] journal::Vocabulary record_types();

}  // namespace flotilla::app
