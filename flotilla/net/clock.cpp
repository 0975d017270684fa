#include "flotilla/net/clock.hpp"

#include <chrono>

namespace flotilla::net {

Instant monotonic_now() noexcept {
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime wall_now() noexcept {
  return WallTime{
      std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count()};
}

}  // namespace flotilla::net
