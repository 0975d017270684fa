// Durations as the file writes them, for messages and the reference. Pure.
#pragma once

#include <string>

#include "flotilla/base/time.hpp"

namespace flotilla {

// In the largest unit that divides it: 90s, 24h becomes 1d, 1500us; of none 0us. What the file cannot write,
// parts of a microsecond, is in ns.
[[nodiscard]] std::string show_duration(Duration value);

}  // namespace flotilla
