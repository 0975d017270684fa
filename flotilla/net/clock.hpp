// The two places where time enters the program. Cores never include this.
#pragma once

#include "flotilla/base/time.hpp"

namespace flotilla::net {

// Monotonic, does not count suspend. 22 ns: loops read it once per turn (Loop::now), not per request.
[[nodiscard]] Instant monotonic_now() noexcept;
[[nodiscard]] WallTime wall_now() noexcept;

}  // namespace flotilla::net
