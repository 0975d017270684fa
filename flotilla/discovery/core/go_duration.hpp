// Durations as Go programs write them, since Consul's clients do: `1m30s`, `1.5h`, `250ms`, `0`.
//
// Grammar: an optional sign, then decimal numbers each with a unit (ns us µs ms s m h), joined.
// Printed form: the largest units first, fractions only of the last one: `0s`, `250ms`, `1.5s`, `1h0m0s`.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::discovery {

// Errc::invalid with a message naming the text when it is no duration or exceeds 292 years.
[[nodiscard]] Result<Duration> parse_go_duration(std::string_view text);

[[nodiscard]] std::string print_go_duration(Duration duration);

}  // namespace flotilla::discovery
