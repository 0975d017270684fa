// Wall-clock time as people and JSON read it: RFC 3339, UTC, to the millisecond.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/time.hpp"

namespace flotilla {

// Appends "2026-11-24T10:22:47.123Z". Years 0..9999 (asserted); parts of a millisecond are cut off.
void append_iso_time(std::string& out, WallTime time);
[[nodiscard]] std::string iso_time(WallTime time);

// "2026-11-24T10:22:47Z", with parts of a second or without, and with an offset such as +01:00 in place of Z
// (RFC 3339). Parts of a nanosecond are cut off; a leap second is the second after it. Nothing for another
// form, a day that there is not, or a year outside 1678..2261.
[[nodiscard]] std::optional<WallTime> parse_iso_time(std::string_view text);

}  // namespace flotilla
