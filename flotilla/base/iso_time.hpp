// Wall-clock time as people and JSON read it: RFC 3339, UTC, to the millisecond.
#pragma once

#include <string>

#include "flotilla/base/time.hpp"

namespace flotilla {

// Appends "2026-11-24T10:22:47.123Z". Years 0..9999 (asserted); parts of a millisecond are cut off.
void append_iso_time(std::string& out, WallTime time);
[[nodiscard]] std::string iso_time(WallTime time);

}  // namespace flotilla
